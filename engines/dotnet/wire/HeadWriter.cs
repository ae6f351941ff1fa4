#nullable enable
using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace WorkManager.Wire;

/// <summary>
/// Writes the small JSON objects that heads are. The framework's own writer would be the first that a process
/// uses of it, and takes longer to come to life than the rest of an answer.
/// </summary>
public sealed class HeadWriter
{
    private readonly StringBuilder text = new("{", 256);

    public HeadWriter Text(string name, string value)
    {
        Name(name);
        Quote(value);
        return this;
    }

    /// <summary>Nothing at all where there is no value.</summary>
    public HeadWriter Optional(string name, string? value) => value is null ? this : Text(name, value);

    public HeadWriter Number(string name, int value)
    {
        Name(name);
        text.Append(value.ToString(CultureInfo.InvariantCulture));
        return this;
    }

    public HeadWriter Truth(string name, bool value)
    {
        Name(name);
        text.Append(value ? "true" : "false");
        return this;
    }

    public HeadWriter Begin(string name)
    {
        Name(name);
        text.Append('{');
        return this;
    }

    public HeadWriter End()
    {
        text.Append('}');
        return this;
    }

    /// <summary>A list of objects, the first ones if there are many; nothing at all where there is no list.</summary>
    public HeadWriter Objects<T>(string name, IReadOnlyList<T>? values, int most, Action<T, HeadWriter> write)
    {
        if (values is null) return this;
        Name(name);
        for (var index = 0; index < Math.Min(values.Count, most); index++)
        {
            text.Append(index == 0 ? "[{" : ",{");
            write(values[index], this);
            text.Append('}');
        }
        text.Append(values.Count == 0 ? "[]" : "]");
        return this;
    }

    /// <summary>The bytes of the object. Half a surrogate pair has none, and becomes a replacement.</summary>
    public byte[] Bytes() => Encoding.UTF8.GetBytes(text.Append('}').ToString());

    private void Name(string name)
    {
        if (text[^1] != '{') text.Append(',');
        Quote(name);
        text.Append(':');
    }

    private void Quote(string value)
    {
        text.Append('"');
        foreach (var c in value)
        {
            if (c is '"' or '\\') text.Append('\\').Append(c);
            else if (c >= ' ') text.Append(c);
            else if (c == '\n') text.Append("\\n");
            else text.Append("\\u00").Append(Digit(c >> 4)).Append(Digit(c & 15));
        }
        text.Append('"');
    }

    private static char Digit(int value) => (char)(value < 10 ? '0' + value : 'a' + value - 10);
}
