#nullable enable
using System;
using System.Collections.Generic;
using System.Text;
using System.Text.Json;
using System.Threading;
using CloudNative.CloudEvents;

namespace WorkManager.Host;

/// <summary>One attempt as the frame has it.</summary>
internal sealed class AttemptHead
{
    internal string Attempt { get; private set; } = "";

    internal CloudEvent Event { get; } = new();

    /// <summary>Time until the process is killed if there is no answer.</summary>
    internal TimeSpan Left { get; private set; } = Timeout.InfiniteTimeSpan;

    /// <exception cref="ArgumentException">An attribute is not what the specification allows.</exception>
    /// <exception cref="JsonException">The data is no JSON.</exception>
    internal static AttemptHead Read(ReadOnlySpan<byte> head, ReadOnlySpan<byte> body, IReadOnlyDictionary<string, string> config)
    {
        var attempt = new AttemptHead { Attempt = Id(head) };
        foreach (var (name, value) in config) attempt.Event.SetAttributeFromString(name, value);
        var reader = new Utf8JsonReader(head);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("event"u8)) attempt.ReadAttributes(ref reader);
            else if (reader.ValueTextEquals("data"u8))
            {
                reader.Read();
                attempt.Event.Data = Data(ref reader, body);
            }
            else if (reader.ValueTextEquals("leftMs"u8))
            {
                reader.Read();
                attempt.Left = TimeSpan.FromMilliseconds(reader.GetUInt64());
            }
            else reader.Skip();
        }
        return attempt;
    }

    /// <summary>The attempt's id, which a failure needs even where the rest cannot be read.</summary>
    internal static string Id(ReadOnlySpan<byte> head)
    {
        var reader = new Utf8JsonReader(head);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (!reader.ValueTextEquals("attempt"u8))
            {
                reader.Skip();
                continue;
            }
            reader.Read();
            return reader.GetString()!;
        }
        return "";
    }

    private void ReadAttributes(ref Utf8JsonReader reader)
    {
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("specversion"u8))
            {
                reader.Skip();
                continue;
            }
            var name = reader.GetString()!;
            reader.Read();
            var value = Text(ref reader);
            if (value is not null) Event.SetAttributeFromString(name, value);
        }
    }

    private static string? Text(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.String => reader.GetString(),
        JsonTokenType.True => "true",
        JsonTokenType.False => "false",
        JsonTokenType.Null => null,
        _ => Encoding.UTF8.GetString(reader.ValueSpan),
    };

    private static object? Data(ref Utf8JsonReader kind, ReadOnlySpan<byte> body)
    {
        if (kind.ValueTextEquals("json"u8)) return Json(body);
        if (kind.ValueTextEquals("text"u8)) return Strict.GetString(body);
        return kind.ValueTextEquals("binary"u8) ? body.ToArray() : null;
    }

    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    private static JsonElement Json(ReadOnlySpan<byte> body)
    {
        var reader = new Utf8JsonReader(body);
        var element = JsonElement.ParseValue(ref reader);
        if (reader.Read()) throw new JsonException("there is text after the JSON value");
        return element;
    }
}
