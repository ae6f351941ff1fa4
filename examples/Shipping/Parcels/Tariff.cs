namespace Parcels;

/// <summary>Prices by weight.</summary>
public static class Tariff
{
    public static int Cents(int grams) => grams switch
    {
        <= 0 => throw new ArgumentOutOfRangeException(nameof(grams), grams, "nothing weighs so little"),
        <= 500 => 395,
        <= 2000 => 595,
        _ => 595 + (grams - 1001) / 1000 * 200,
    };
}
