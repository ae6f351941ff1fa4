#nullable enable
using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace WorkManager.Host;

/// <summary>Finds what an assembly needs before its code runs: later it would be missed event by event.</summary>
internal static class Dependencies
{
    /// <summary>The host's copy serves whatever version is asked for.</summary>
    private const string Events = "CloudNative.CloudEvents";

    /// <summary>The assemblies that neither the archive nor the framework has as they are needed, each with who needs it.</summary>
    internal static List<string> Missing(Layout layout, string assembly)
    {
        var missing = new List<string>();
        var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase) { assembly };
        var next = new Queue<string>(seen);
        while (next.TryDequeue(out var name))
        {
            if (layout.Assembly(name) is not { } file) continue;
            foreach (var (reference, version) in References(name, Layout.Read(file)))
            {
                if (!seen.Add(reference)) continue;
                var isThere = layout.Assembly(reference) is not null;
                if (isThere && !Frameworks.Has(reference)) next.Enqueue(reference);
                else if (!isThere && !Frameworks.Has(reference)) missing.Add($"{reference} {version} (for {name})");
                else if (isThere && reference != Events && Frameworks.VersionOf(reference) < version)
                    missing.Add($"{reference} {version} (for {name}; the framework's {Frameworks.VersionOf(reference)} comes first)");
            }
        }
        missing.Sort(StringComparer.Ordinal);
        return missing;
    }

    private static List<(string, Version)> References(string name, byte[] bytes)
    {
        using var file = new PEReader(ImmutableArray.Create(bytes));
        if (!file.HasMetadata) throw new Unusable($"`{name}.dll` is no .NET assembly");
        var reader = file.GetMetadataReader();
        var references = new List<(string, Version)>();
        foreach (var handle in reader.AssemblyReferences)
        {
            var reference = reader.GetAssemblyReference(handle);
            references.Add((reader.GetString(reference.Name), reference.Version));
        }
        return references;
    }
}
