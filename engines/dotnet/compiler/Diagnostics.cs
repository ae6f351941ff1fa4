#nullable enable
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
    private const int MaxLines = 200;

    /// <summary>All errors: one a line, with file, line, column and id.</summary>
    internal static Failure Failure(IEnumerable<Diagnostic> diagnostics)
    {
        var errors = diagnostics.Where(one => one.Severity == DiagnosticSeverity.Error)
            .OrderBy(one => one.Location.SourceSpan.Start)
            .Select(Line)
            .ToList();
        var first = errors.Count == 1 ? errors[0] : $"{errors[0]} (and {errors.Count - 1} more)";
        return new("load-failed", false, first, "CompilationFailed", string.Join("\n", errors.Take(MaxLines)));
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

    private static string Line(Diagnostic one)
    {
        var message = one.GetMessage(CultureInfo.InvariantCulture);
        if (!one.Location.IsInSource) return $"error {one.Id}: {message}";
        var span = one.Location.GetMappedLineSpan();
        var (line, column) = (span.StartLinePosition.Line + 1, span.StartLinePosition.Character + 1);
        return $"{span.Path}({line},{column}): error {one.Id}: {message}";
    }
}
