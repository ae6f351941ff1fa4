#nullable enable
using System;
using System.Text.Json;

namespace WorkManager.Compiler;

/// <summary>What is asked for.</summary>
internal static class Request
{
    /// <summary>The name that the source has in messages and in stack traces.</summary>
    internal static string FileName(ReadOnlySpan<byte> head)
    {
        var reader = new Utf8JsonReader(head);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isIt = reader.ValueTextEquals("fileName"u8);
            reader.Read();
            if (isIt) return reader.GetString()!;
            reader.Skip();
        }
        return "worker.cs";
    }
}
