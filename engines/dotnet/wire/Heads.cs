#nullable enable
using System;
using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace WorkManager.Wire;

/// <summary>The heads that every program on a channel writes.</summary>
public static class Heads
{
    private static readonly JsonWriterOptions Plain =
        new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    /// <summary>The bytes of the JSON object whose members <paramref name="members"/> writes.</summary>
    public static ReadOnlyMemory<byte> Write(Action<Utf8JsonWriter> members)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var writer = new Utf8JsonWriter(buffer, Plain))
        {
            writer.WriteStartObject();
            members(writer);
            writer.WriteEndObject();
        }
        return buffer.WrittenMemory;
    }

    public static ReadOnlyMemory<byte> Ready(string runtime) => Write(head =>
    {
        head.WriteNumber("pid", Environment.ProcessId);
        head.WriteNumber("contract", Channel.Contract);
        head.WriteString("runtime", runtime);
    });

    public static ReadOnlyMemory<byte> Loaded(string entry, bool artefact) => Write(head =>
    {
        head.WriteString("entry", entry);
        head.WriteBoolean("artefact", artefact);
    });

    public static ReadOnlyMemory<byte> Failed(Failure failure, string? attempt) => Write(head =>
    {
        head.WriteString("outcome", "failed");
        head.WriteString("kind", failure.Kind);
        head.WriteBoolean("retryable", failure.Retryable);
        head.WriteString("message", failure.Message);
        if (attempt is not null) head.WriteString("attempt", attempt);
        if (failure.ErrorType is not null) head.WriteString("errorType", failure.ErrorType);
        if (failure.Stack is not null) head.WriteString("stack", failure.Stack);
    });
}

/// <summary>What went wrong, in the words of the frames.</summary>
public sealed record Failure(string Kind, bool Retryable, string Message, string? ErrorType = null, string? Stack = null);
