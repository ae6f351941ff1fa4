#nullable enable
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;

namespace WorkManager.Host;

/// <summary>Where in a worker's code things are: one assembly, what `dotnet publish` writes, or a nupkg.</summary>
internal sealed class Layout
{
    private const string Ending = ".dll";

    private readonly Dictionary<string, Archived> files;

    /// <summary>The folders of assemblies, those for this platform first.</summary>
    private readonly List<string> folders = new();

    /// <summary>What the archive says its program is.</summary>
    private readonly HashSet<string> named = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>What it says its program needs, and where that is.</summary>
    private readonly List<DepsFile> deps = new();

    private readonly Dictionary<string, bool> replaces = new(StringComparer.OrdinalIgnoreCase);
    private readonly string main;

    private Layout(Dictionary<string, Archived> files)
    {
        this.files = files;
        var isPackage = files.Keys.Any(path => path.EndsWith(".nuspec", StringComparison.OrdinalIgnoreCase));
        main = isPackage ? Frameworks.Best(files.Keys, "lib/") : "";
        foreach (var (path, file) in files)
        {
            if (Name(path, ".deps.json")) deps.Add(DepsFile.Read(path, file.Read(), Platforms, files.ContainsKey));
            Name(path, ".runtimeconfig.json");
        }
        foreach (var platform in Platforms)
        {
            var best = Frameworks.Best(files.Keys, $"runtimes/{platform}/lib/");
            if (best != "") folders.Add(best);
        }
        folders.Add(main);
    }

    internal static Layout Of(byte[] code) => new(Archived.IsArchive(code)
        ? Archived.Open(code)
        : new(StringComparer.OrdinalIgnoreCase) { [Portable.NameOf(code) + Ending] = new("", () => code) });

    /// <summary>Whether it brings something in place of what the framework has.</summary>
    internal bool ReplacesFramework => files.Keys
        .Where(path => path.EndsWith(Ending, StringComparison.OrdinalIgnoreCase) && !path.EndsWith(".resources.dll", StringComparison.OrdinalIgnoreCase))
        .Select(path => Path.GetFileNameWithoutExtension(path)!)
        .Any(Replaces);

    /// <summary>Whether its copy of an assembly is newer than the framework's.</summary>
    internal bool Replaces(string name)
    {
        if (replaces.TryGetValue(name, out var known)) return known;
        // The type of events is the host's own, whatever is in the archive.
        var copy = Frameworks.Has(name) && name != Dependencies.Events ? Assembly(name) : null;
        return replaces[name] = copy is not null && Portable.VersionOf(copy.Read()) > Frameworks.VersionOf(name);
    }

    /// <summary>Names of the assemblies that may be the worker.</summary>
    internal List<string> Candidates()
    {
        var candidates = new List<string>();
        foreach (var path in files.Keys)
        {
            var isBeside = path.StartsWith(main, StringComparison.OrdinalIgnoreCase) && path.IndexOf('/', main.Length) < 0;
            if (!isBeside || !path.EndsWith(Ending, StringComparison.OrdinalIgnoreCase)) continue;
            var name = path[main.Length..^Ending.Length];
            if (named.Count > 0 ? named.Contains(name) : !Frameworks.Has(name)) candidates.Add(name);
        }
        candidates.Sort(StringComparer.Ordinal);
        return candidates;
    }

    /// <param name="name">A simple name; one of a culture has that in front.</param>
    internal Archived? Assembly(string name)
    {
        foreach (var one in deps)
            if (one.Assemblies.TryGetValue(name, out var place)) return files[place];
        foreach (var folder in folders)
            if (files.TryGetValue(folder + name + Ending, out var file)) return file;
        return null;
    }

    internal Archived? Symbols(Archived assembly) =>
        assembly.Path == "" ? null : files.GetValueOrDefault(Path.ChangeExtension(assembly.Path, ".pdb"));

    internal Archived? Native(string name)
    {
        foreach (var file in new[] { name, $"lib{name}.so", $"{name}.so" })
        {
            foreach (var one in deps)
                if (one.Natives.TryGetValue(file, out var place)) return files[place];
            foreach (var platform in Platforms)
                if (files.TryGetValue($"runtimes/{platform}/native/{file}", out var found)) return found;
            if (files.TryGetValue(main + file, out var beside)) return beside;
        }
        return null;
    }

    /// <summary>This platform's names, the most exact first.</summary>
    private static readonly string[] Platforms = Named(RuntimeInformation.RuntimeIdentifier);

    private static string[] Named(string platform)
    {
        var names = new List<string> { platform };
        // What is built for another C library may still run, if there is nothing else.
        if (platform.StartsWith("linux-musl-", StringComparison.Ordinal))
            names.AddRange(new[] { "linux-musl", "linux-" + platform["linux-musl-".Length..] });
        names.AddRange(new[] { "linux", "unix", "any" });
        return names.ToArray();
    }

    private bool Name(string path, string ending)
    {
        var isIt = path.EndsWith(ending, StringComparison.OrdinalIgnoreCase) && !path.Contains('/');
        if (isIt) named.Add(path[..^ending.Length]);
        return isIt;
    }
}
