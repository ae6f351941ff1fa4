using System.Text.Json;
using CloudNative.CloudEvents;
using Parcels;

/// <summary>Says what it costs to send something: the prices are in a library of its own.</summary>
public sealed class Shipping : IAsyncDisposable
{
    private int asked;

    public CloudEvent Process(CloudEvent e)
    {
        var grams = ((JsonElement)e.Data!).GetProperty("grams").GetInt32();
        asked++;
        return new CloudEvent { Type = "shipping.price", Data = new { cents = Tariff.Cents(grams), asked } };
    }

    public ValueTask DisposeAsync()
    {
        Console.WriteLine($"asked {asked} times");
        return ValueTask.CompletedTask;
    }
}
