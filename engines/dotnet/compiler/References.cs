#nullable enable
using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection.PortableExecutable;
using Microsoft.CodeAnalysis;

namespace WorkManager.Compiler;

/// <summary>The assemblies that sources may refer to.</summary>
internal static class References
{
    internal static List<MetadataReference> Read(IEnumerable<string> places)
    {
        var references = new List<MetadataReference>();
        foreach (var place in places)
        {
            if (!Directory.Exists(place)) references.Add(MetadataReference.CreateFromFile(place));
            else
            {
                var files = Directory.GetFiles(place, "*.dll");
                // What is compiled does not depend on how the disk keeps its files.
                Array.Sort(files, StringComparer.Ordinal);
                foreach (var file in files)
                    if (IsManaged(file)) references.Add(MetadataReference.CreateFromFile(file));
            }
        }
        return references;
    }

    private static bool IsManaged(string file)
    {
        using var reader = new PEReader(File.OpenRead(file));
        return reader.HasMetadata;
    }
}
