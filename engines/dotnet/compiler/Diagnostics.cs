#nullable enable
using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using WorkManager.Wire;

namespace WorkManager.Compiler;

/// <summary>What the compiler has to say, for people.</summary>
internal static class Diagnostics
{
    /// <summary>All errors, each with file, line, column and id.</summary>
    internal static Failure Failure(IEnumerable<Diagnostic> diagnostics)
    {
        var errors = diagnostics.Where(one => one.Severity == DiagnosticSeverity.Error)
            .OrderBy(one => one.Location.SourceTree?.FilePath, StringComparer.Ordinal)
            .ThenBy(one => one.Location.SourceSpan.Start)
            .Select(Error)
            .ToList();
        var (first, more) = (Text(errors[0]), errors.Count - 1);
        var message = more == 0 ? first : $"{first} (and {more} more)";
        return new("load-failed", false, message, "CompilationFailed", Errors: errors);
    }

    internal static Failure Failure(string message) => new("load-failed", false, message, "CompilationFailed");

    /// <summary>A refusal of packages, which only scripts can name in their source.</summary>
    internal static Failure? Package(SyntaxTree tree)
    {
        foreach (var trivia in tree.GetRoot().DescendantTrivia(descendIntoTrivia: false))
        {
            if (trivia.GetStructure() is not ReferenceDirectiveTriviaSyntax directive) continue;
            var line = directive.GetLocation().GetMappedLineSpan();
            var at = $"{line.Path}({line.StartLinePosition.Line + 1},{line.StartLinePosition.Character + 1})";
            return Failure($"{at}: {directive.ToString().Trim()}: source cannot bring packages; publish a project " +
                           "with `dotnet publish` and load its folder as a zip");
        }
        return null;
    }

    private static string Text(CodeError error) =>
        error.Line == 0 ? $"error {error.Id}: {error.Message}" : $"{error.File}({error.Line},{error.Column}): error {error.Id}: {error.Message}";

    private static CodeError Error(Diagnostic one)
    {
        var message = one.GetMessage(CultureInfo.InvariantCulture);
        if (!one.Location.IsInSource) return new("", 0, 0, one.Id, message);
        var span = one.Location.GetMappedLineSpan();
        var start = span.StartLinePosition;
        return new(span.Path, start.Line + 1, start.Character + 1, one.Id, message);
    }
}
