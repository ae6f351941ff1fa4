// The few options of the C# compiler's command line that the engine uses, over Roslyn's libraries: a machine
// without an SDK has those, but not the program.
using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.IO;
using System.Linq;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Text;

static class Csc
{
    static int Main(string[] arguments)
    {
        string output = null, keyFile = null;
        var kind = OutputKind.ConsoleApplication;
        var references = new List<MetadataReference>();
        var trees = new List<SyntaxTree>();
        var parsing = new CSharpParseOptions(LanguageVersion.Latest);
        foreach (var argument in arguments)
        {
            var (name, value) = Split(argument);
            switch (name)
            {
                case "-out": output = value; break;
                case "-keyfile": keyFile = value; break;
                case "-reference": references.Add(MetadataReference.CreateFromFile(value)); break;
                case "-target": kind = value == "library" ? OutputKind.DynamicallyLinkedLibrary : kind; break;
                case "-nologo" or "-optimize+" or "-deterministic+" or "-publicsign+" or "-nostdlib+": break;
                case "": trees.Add(Parse(value, parsing)); break;
                default: Console.Error.WriteLine("unknown option " + argument); return 2;
            }
        }
        var options = new CSharpCompilationOptions(kind, optimizationLevel: OptimizationLevel.Release, deterministic: true);
        if (keyFile != null)
            options = options.WithPublicSign(true).WithCryptoPublicKey(File.ReadAllBytes(keyFile).ToImmutableArray());
        var compilation = CSharpCompilation.Create(Path.GetFileNameWithoutExtension(output), trees, references, options);
        using var stream = new MemoryStream();
        var result = compilation.Emit(stream);
        foreach (var diagnostic in result.Diagnostics.Where(d => d.Severity == DiagnosticSeverity.Error))
            Console.Out.WriteLine(diagnostic);
        if (!result.Success) return 1;
        File.WriteAllBytes(output, stream.ToArray());
        return 0;
    }

    static SyntaxTree Parse(string path, CSharpParseOptions options) =>
        CSharpSyntaxTree.ParseText(SourceText.From(File.ReadAllText(path), Encoding.UTF8), options, path);

    static (string, string) Split(string argument)
    {
        if (!argument.StartsWith('-')) return ("", argument);
        var colon = argument.IndexOf(':');
        return colon < 0 ? (argument, "") : (argument[..colon], argument[(colon + 1)..]);
    }
}
