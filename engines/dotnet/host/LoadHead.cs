#nullable enable
using System;
using System.Collections.Generic;
using System.Text.Json;

namespace WorkManager.Host;

/// <summary>What the host needs to know of a version.</summary>
/// <param name="IsCompiled">The engine has compiled it itself.</param>
internal sealed record LoadHead(string? Entry, Dictionary<string, string> Config, bool IsCompiled)
{
    internal static LoadHead Read(ReadOnlySpan<byte> head)
    {
        var reader = new Utf8JsonReader(head);
        string? entry = null;
        var isCompiled = false;
        var config = new Dictionary<string, string>();
        while (reader.Read())
        {
            // In the head's own object, in `manifest`, and in `engine` or `config` there.
            if (reader.TokenType != JsonTokenType.PropertyName) continue;
            if (reader.CurrentDepth == 2 && reader.ValueTextEquals("config"u8)) ReadConfig(ref reader, config);
            else if (reader.CurrentDepth == 2 && reader.ValueTextEquals("mimeType"u8))
            {
                reader.Read();
                isCompiled = reader.ValueTextEquals("text/x-csharp"u8);
            }
            else if (reader.CurrentDepth == 3 && reader.ValueTextEquals("entry"u8))
            {
                reader.Read();
                entry = reader.GetString();
            }
        }
        return new LoadHead(entry, config, isCompiled);
    }

    private static void ReadConfig(ref Utf8JsonReader reader, Dictionary<string, string> config)
    {
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            config[name] = reader.GetString() ?? "";
        }
    }
}
