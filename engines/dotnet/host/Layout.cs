#nullable enable
using System;
using System.Collections.Generic;
using System.IO;
using System.IO.Compression;
using System.Runtime.InteropServices;

namespace WorkManager.Host;

/// <summary>Where in an archive things are.</summary>
internal sealed class Layout
{
    private const string Assemblies = ".dll";

    private readonly Dictionary<string, ZipArchiveEntry> files = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>The folders of assemblies, those for this platform first.</summary>
    private readonly List<string> folders = new();

    /// <summary>What the archive says its program is.</summary>
    private readonly HashSet<string> named = new(StringComparer.OrdinalIgnoreCase);

    private readonly string main;

    private Layout(string main) => this.main = main;

    internal static Layout Of(ZipArchive archive)
    {
        var files = new Dictionary<string, ZipArchiveEntry>(StringComparer.OrdinalIgnoreCase);
        foreach (var entry in archive.Entries) files.TryAdd(entry.FullName.Replace('\\', '/'), entry);
        var isPackage = false;
        foreach (var path in files.Keys) isPackage |= path.EndsWith(".nuspec", StringComparison.OrdinalIgnoreCase);
        var layout = new Layout(isPackage ? Frameworks.Best(files.Keys, "lib/") : "");
        foreach (var (path, entry) in files)
        {
            layout.files[path] = entry;
            layout.Name(path, ".deps.json");
            layout.Name(path, ".runtimeconfig.json");
        }
        foreach (var platform in Platforms)
        {
            var best = Frameworks.Best(files.Keys, $"runtimes/{platform}/lib/");
            if (best != "") layout.folders.Add(best);
        }
        layout.folders.Add(layout.main);
        return layout;
    }

    internal static byte[] Read(ZipArchiveEntry file)
    {
        using var stream = file.Open();
        var bytes = new byte[file.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>Names of the assemblies that may be the worker.</summary>
    internal List<string> Candidates()
    {
        var candidates = new List<string>();
        foreach (var path in files.Keys)
        {
            var isBeside = path.StartsWith(main, StringComparison.OrdinalIgnoreCase) && path.IndexOf('/', main.Length) < 0;
            if (!isBeside || !path.EndsWith(Assemblies, StringComparison.OrdinalIgnoreCase)) continue;
            var name = path[main.Length..^Assemblies.Length];
            if (named.Count > 0 ? named.Contains(name) : !Frameworks.Has(name)) candidates.Add(name);
        }
        candidates.Sort(StringComparer.Ordinal);
        return candidates;
    }

    /// <param name="name">A simple name; one of a culture has that in front.</param>
    internal ZipArchiveEntry? Assembly(string name)
    {
        foreach (var folder in folders)
            if (files.TryGetValue(folder + name + Assemblies, out var file)) return file;
        return null;
    }

    internal ZipArchiveEntry? Symbols(ZipArchiveEntry assembly) =>
        files.GetValueOrDefault(Path.ChangeExtension(assembly.FullName.Replace('\\', '/'), ".pdb"));

    internal ZipArchiveEntry? Native(string name)
    {
        foreach (var file in new[] { name, $"lib{name}.so", $"{name}.so" })
        {
            foreach (var platform in Platforms)
                if (files.TryGetValue($"runtimes/{platform}/native/{file}", out var found)) return found;
            if (files.TryGetValue(main + file, out var beside)) return beside;
        }
        return null;
    }

    /// <summary>This platform's names, the most exact first.</summary>
    private static readonly string[] Platforms =
    {
        RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "linux-arm64" : "linux-x64", "linux", "unix",
    };

    private void Name(string path, string ending)
    {
        if (path.EndsWith(ending, StringComparison.OrdinalIgnoreCase) && !path.Contains('/')) named.Add(path[..^ending.Length]);
    }
}
