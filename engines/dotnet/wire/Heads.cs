#nullable enable
using System;
using System.Collections.Generic;

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
        .Objects("errors", failure.Errors, static (error, head) => head
            .Text("file", error.File)
            .Number("line", error.Line)
            .Number("column", error.Column)
            .Text("id", error.Id)
            .Text("message", error.Message))
        .Bytes();
}

/// <summary>What went wrong, in the words of the frames.</summary>
public sealed record Failure(
    string Kind,
    bool Retryable,
    string Message,
    string? ErrorType = null,
    string? Stack = null,
    IReadOnlyList<CodeError>? Errors = null);

/// <summary>One place in the code that the compiler does not take.</summary>
public sealed record CodeError(string File, int Line, int Column, string Id, string Message);
