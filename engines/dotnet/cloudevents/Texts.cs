#nullable enable
using System;
using System.Globalization;

namespace CloudNative.CloudEvents;

/// <summary>Integers and strings as the specification writes them.</summary>
internal static class Texts
{
    internal static int ParseInteger(string text) => text.StartsWith('+')
        ? throw new FormatException($"'{text}' starts with a plus sign")
        : int.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);

    internal static string FormatInteger(int value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>Refuses control characters, halves of surrogate pairs and code points that are no characters.</summary>
    internal static void Check(string text)
    {
        for (var at = 0; at < text.Length; at++)
        {
            int code = text[at];
            if (char.IsHighSurrogate(text[at]) && at + 1 < text.Length && char.IsLowSurrogate(text[at + 1]))
                code = char.ConvertToUtf32(text[at], text[++at]);
            var isControl = code <= 0x1f || code is >= 0x7f and <= 0x9f;
            var isNone = code is >= 0xd800 and <= 0xdfff || code is >= 0xfdd0 and <= 0xfdef || (code & 0xfffe) == 0xfffe;
            if (isControl || isNone) throw new ArgumentException($"U+{code:X4} at {at} cannot be in a string");
        }
    }
}
