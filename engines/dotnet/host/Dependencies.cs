#nullable enable
using System;
using System.Collections.Generic;
using System.Reflection.Metadata;

namespace WorkManager.Host;

/// <summary>Finds what an assembly needs before its code runs: later it would be missed event by event.</summary>
internal static class Dependencies
{
    /// <summary>The host's copy serves whatever version is asked for.</summary>
    internal const string Events = "CloudNative.CloudEvents";

    private const string Runtime = "System.Runtime";

    /// <exception cref="Unusable">Something is not there as it is needed; all of it is named, each with who needs it.</exception>
    internal static void Check(Layout layout, string assembly)
    {
        var missing = Missing(layout, assembly);
        if (missing.Count == 0) return;
        var web = missing.Exists(one => one.StartsWith("Microsoft.AspNetCore.", StringComparison.Ordinal));
        var advice = web
            ? "the ASP.NET Core framework is no part of a worker's runtime"
            : "bring a zip of what `dotnet publish` writes for this framework";
        throw new Unusable($"`{assembly}.dll` needs what is not there: {string.Join(", ", missing)}; {advice}");
    }

    private static List<string> Missing(Layout layout, string assembly)
    {
        var missing = new List<string>();
        var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase) { assembly };
        var next = new Queue<string>(seen);
        while (next.TryDequeue(out var name))
        {
            if (layout.Assembly(name) is not { } file) continue;
            foreach (var (reference, version) in References(name, file.Read()))
            {
                if (!seen.Add(reference) || reference == Events) continue;
                var isFrameworks = Frameworks.Has(reference) && !layout.Replaces(reference);
                if (!isFrameworks && layout.Assembly(reference) is null) missing.Add($"{reference} {version} (for {name})");
                else if (!isFrameworks) next.Enqueue(reference);
                else if (Frameworks.VersionOf(reference) is var here && here < version)
                {
                    if (reference == Runtime) throw new Unusable(OtherFramework(name, version));
                    missing.Add($"{reference} {version} (for {name}; here is {here})");
                }
            }
        }
        missing.Sort(StringComparer.Ordinal);
        return missing;
    }

    private static string OtherFramework(string name, Version version) =>
        $"`{name}.dll` is built for .NET {version.Major}.{version.Minor}, and .NET {Environment.Version} runs here; build it for " +
        $"net{Environment.Version.Major}.0, or give the function a newer runtime";

    private static List<(string, Version)> References(string name, byte[] code)
    {
        using var file = Portable.Open($"`{name}.dll`", code);
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
