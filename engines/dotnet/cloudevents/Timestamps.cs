#nullable enable
using System;
using System.Globalization;

namespace CloudNative.CloudEvents;

/// <summary>Times as RFC 3339 has them.</summary>
internal static class Timestamps
{
    private const int WholeSeconds = 19;
    private const int Fraction = 7;

    internal static DateTimeOffset Parse(string text)
    {
        Exception Wrong() => new FormatException($"'{text}' is no time of RFC 3339");
        if (text.Length <= WholeSeconds) throw Wrong();
        var seconds = text[..WholeSeconds];
        const DateTimeStyles none = DateTimeStyles.None;
        var invariant = CultureInfo.InvariantCulture;
        if (!DateTime.TryParseExact(seconds, "yyyy-MM-dd'T'HH:mm:ss", invariant, none, out var time)) throw Wrong();
        var at = WholeSeconds;
        if (text[at] == '.')
        {
            var start = ++at;
            while (at < text.Length && char.IsAsciiDigit(text[at])) at++;
            if (at == start) throw Wrong();
            // What is finer than 100 nanoseconds is cut off.
            var digits = text[start..at].PadRight(Fraction, '0')[..Fraction];
            time = time.AddTicks(int.Parse(digits, NumberStyles.None, invariant));
        }
        return new DateTimeOffset(time, Offset(text[at..]) ?? throw Wrong());
    }

    internal static string Format(DateTimeOffset value)
    {
        var text = value.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF", CultureInfo.InvariantCulture);
        return text + (value.Offset == TimeSpan.Zero ? "Z" : value.ToString("zzz", CultureInfo.InvariantCulture));
    }

    private static TimeSpan? Offset(string text)
    {
        if (text == "Z") return TimeSpan.Zero;
        if (text.Length != 6 || text[0] is not ('+' or '-')) return null;
        if (!TimeSpan.TryParseExact(text[1..], "hh':'mm", CultureInfo.InvariantCulture, out var offset)) return null;
        return text[0] == '-' ? -offset : offset;
    }
}
