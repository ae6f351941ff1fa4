#nullable enable
using System;

namespace WorkManager.Wire;

/// <summary>The heads that every program on a channel writes.</summary>
public static class Heads
{
    public static byte[] Ready(string runtime) => new HeadWriter()
        .Number("pid", Environment.ProcessId)
        .Number("contract", Channel.Contract)
        .Text("runtime", runtime)
        .Bytes();

    public static byte[] Loaded(string entry, bool artefact) => new HeadWriter()
        .Text("entry", entry)
        .Truth("artefact", artefact)
        .Bytes();

    public static byte[] Failed(Failure failure, string? attempt) => new HeadWriter()
        .Text("outcome", "failed")
        .Text("kind", failure.Kind)
        .Truth("retryable", failure.Retryable)
        .Text("message", failure.Message)
        .Optional("attempt", attempt)
        .Optional("errorType", failure.ErrorType)
        .Optional("stack", failure.Stack)
        .Bytes();
}

/// <summary>What went wrong, in the words of the frames.</summary>
public sealed record Failure(string Kind, bool Retryable, string Message, string? ErrorType = null, string? Stack = null);
