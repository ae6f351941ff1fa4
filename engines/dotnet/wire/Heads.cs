#nullable enable
using System;
using System.Collections.Generic;

namespace WorkManager.Wire;

/// <summary>The heads that every program on a channel writes.</summary>
public static class Heads
{
    // So that what is written of the code's own words stays a small part of what a head may have.
    private const int MaxMessage = 2000;
    private const int MaxName = 500;
    private const int MaxErrors = 100;

    public static byte[] Ready(string runtime) => new HeadWriter()
        .Number("pid", Environment.ProcessId)
        .Number("contract", Channel.Contract)
        .Text("runtime", runtime)
        .Bytes();

    public static byte[] Loaded(string entry, bool artefact) => new HeadWriter()
        .Text("entry", Cut(entry, MaxName))
        .Truth("artefact", artefact)
        .Bytes();

    public static byte[] Failed(Failure failure, string? attempt) => new HeadWriter()
        .Text("outcome", "failed")
        .Text("kind", failure.Kind)
        .Truth("retryable", failure.Retryable)
        .Text("message", Cut(failure.Message, MaxMessage))
        .Optional("attempt", attempt)
        .Optional("errorType", failure.ErrorType is { } type ? Cut(type, MaxName) : null)
        .Optional("stack", failure.Stack)
        .Objects("errors", failure.Errors, MaxErrors, static (error, head) => head
            .Text("file", Cut(error.File, MaxName))
            .Number("line", error.Line)
            .Number("column", error.Column)
            .Text("id", error.Id)
            .Text("message", Cut(error.Message, MaxName)))
        .Bytes();

    private static string Cut(string text, int most) => text.Length <= most ? text : text[..(most - 1)] + "…";
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
