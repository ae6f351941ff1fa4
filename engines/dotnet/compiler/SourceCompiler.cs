#nullable enable
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Emit;
using Microsoft.CodeAnalysis.Text;
using WorkManager.Wire;

namespace WorkManager.Compiler;

/// <summary>An assembly, or why there is none.</summary>
internal readonly record struct Compiled(byte[]? Assembly, Failure? Failure);

/// <summary>Makes assemblies from source: the same bytes whenever source, name and references are the same.</summary>
internal sealed class SourceCompiler
{
    internal static readonly string Version = "Roslyn " + typeof(CSharpCompilation).Assembly.GetName().Version!.ToString(3);

    /// <summary>What .NET projects have without asking. Another tree, so that the lines of the source stay its own.</summary>
    private const string Usings = """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Threading;
        global using System.Threading.Tasks;
        """;

    private const string Usual = """
        using CloudNative.CloudEvents;
        using System.Text.Json;
        public class Warm
        {
            record Order(string Name, int Count);
            public async Task<CloudEvent?> ProcessAsync(CloudEvent e)
            {
                await Task.Yield();
                var values = ((JsonElement)e.Data!).Deserialize<Dictionary<string, int>>()!;
                var names = values.Where(one => one.Value > 0).Select(one => $"{one.Key}").OrderBy(one => one).ToList();
                return new CloudEvent { Id = "1", Type = "t", Data = new { names, order = new Order("x", [1, 2][0]) } };
            }
        }
        """;

    private static readonly CSharpParseOptions Parsing = new(LanguageVersion.Latest);

    private static readonly EmitOptions Emitting = new(debugInformationFormat: DebugInformationFormat.Embedded);

    private readonly IReadOnlyList<MetadataReference> references;
    private readonly SyntaxTree usings = CSharpSyntaxTree.ParseText(SourceText.From(Usings, Encoding.UTF8), Parsing, "usings.cs");

    private readonly CSharpCompilationOptions options = new CSharpCompilationOptions(
        OutputKind.DynamicallyLinkedLibrary,
        optimizationLevel: OptimizationLevel.Release,
        nullableContextOptions: NullableContextOptions.Annotations,
        concurrentBuild: false,
        deterministic: true).WithAllowUnsafe(true);

    internal SourceCompiler(IReadOnlyList<MetadataReference> references) => this.references = references;

    /// <summary>Compiles something with what workers use most, so that the compiler itself is compiled.</summary>
    internal void Prewarm() => Compile("warm.cs", Encoding.UTF8.GetBytes(Usual));

    /// <summary>Whatever goes wrong is the source's fault: this program goes on with the next one.</summary>
    internal Compiled Compile(string fileName, ReadOnlyMemory<byte> source)
    {
        try
        {
            return Emit(fileName, source);
        }
        catch (InvalidDataException error)
        {
            return new(null, Diagnostics.Failure(error.Message));
        }
        catch (Exception error)
        {
            return new(null, Diagnostics.Failure($"the compiler cannot take it: {error.GetType().FullName}: {error.Message}"));
        }
    }

    private Compiled Emit(string fileName, ReadOnlyMemory<byte> source)
    {
        var trees = Sources.Read(fileName, source.ToArray()).ConvertAll(file => CSharpSyntaxTree.ParseText(file.Text, Parsing, file.Name));
        foreach (var tree in trees)
            if (Diagnostics.Package(tree) is { } refused) return new(null, refused);
        var name = "worker_" + Path.GetFileNameWithoutExtension(fileName);
        var compilation = CSharpCompilation.Create(name, trees.Append(usings), references, options);
        using var assembly = new MemoryStream();
        var result = compilation.Emit(assembly, options: Emitting);
        return result.Success ? new(assembly.ToArray(), null) : new(null, Diagnostics.Failure(result.Diagnostics));
    }
}
