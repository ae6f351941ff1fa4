#nullable enable
using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;

namespace WorkManager.Host;

/// <summary>What the runtime brings itself, and which of a package's folders suits it best.</summary>
internal static class Frameworks
{
    private static readonly Lazy<Dictionary<string, string>> Own = new(() =>
    {
        var list = (string?)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES") ?? "";
        var paths = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var path in list.Split(':')) paths.TryAdd(Path.GetFileNameWithoutExtension(path), path);
        return paths;
    });

    internal static bool Has(string assembly) => Own.Value.ContainsKey(assembly);

    internal static Version VersionOf(string assembly) => AssemblyName.GetAssemblyName(Own.Value[assembly]).Version!;

    /// <summary>The best of the folders `prefix` + framework among these paths; empty if none suits.</summary>
    internal static string Best(IEnumerable<string> paths, string prefix)
    {
        var there = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var path in paths)
        {
            if (!path.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)) continue;
            var end = path.IndexOf('/', prefix.Length);
            if (end > 0) there.Add(path[prefix.Length..end]);
        }
        foreach (var name in Suitable())
            if (there.Contains(name)) return $"{prefix}{name}/";
        return "";
    }

    private static IEnumerable<string> Suitable()
    {
        for (var major = Environment.Version.Major; major >= 5; major--) yield return $"net{major}.0";
        foreach (var version in new[] { "3.1", "3.0", "2.2", "2.1", "2.0" }) yield return $"netcoreapp{version}";
        foreach (var version in new[] { "2.1", "2.0", "1.6", "1.5", "1.4", "1.3", "1.2", "1.1", "1.0" })
            yield return $"netstandard{version}";
    }
}
