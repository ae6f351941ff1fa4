#nullable enable
using System;
using System.Collections.Generic;
using System.IO;
using System.Text.Json;

namespace WorkManager.Host;

/// <summary>
/// What `X.deps.json` says that a program consists of. `dotnet publish` moves most of it beside the program, so each
/// asset is looked for at its own place and then there.
/// </summary>
internal sealed class DepsFile
{
    private readonly Func<string, bool> isThere;

    /// <summary>How exact the platform is for which something was found, where it is for one.</summary>
    private readonly Dictionary<string, int> ranks = new(StringComparer.OrdinalIgnoreCase);

    private DepsFile(Func<string, bool> isThere) => this.isThere = isThere;

    /// <summary>Places of assemblies by name; one of a culture has that in front.</summary>
    internal Dictionary<string, string> Assemblies { get; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Places of the system's libraries, by file name.</summary>
    internal Dictionary<string, string> Natives { get; } = new(StringComparer.OrdinalIgnoreCase);

    /// <param name="platforms">The names of this one, the most exact first.</param>
    internal static DepsFile Read(string path, byte[] json, string[] platforms, Func<string, bool> isThere)
    {
        var deps = new DepsFile(isThere);
        try
        {
            using var document = JsonDocument.Parse(json);
            foreach (var library in Target(document.RootElement)) deps.ReadLibrary(library.Value, platforms);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new Unusable($"`{path}` is not what `dotnet publish` writes: {error.Message}");
        }
        return deps;
    }

    private static JsonElement.ObjectEnumerator Target(JsonElement root)
    {
        var targets = root.GetProperty("targets");
        var name = root.GetProperty("runtimeTarget").GetProperty("name").GetString()!;
        return targets.GetProperty(name).EnumerateObject();
    }

    private void ReadLibrary(JsonElement library, string[] platforms)
    {
        foreach (var (place, asset) in Assets(library, "runtimeTargets"))
        {
            var rank = Array.IndexOf(platforms, asset.GetProperty("rid").GetString());
            if (rank < 0) continue;
            if (asset.GetProperty("assetType").GetString() == "native") Add(Natives, Path.GetFileName(place), place, "", rank);
            else Add(Assemblies, Path.GetFileNameWithoutExtension(place), place, "", rank);
        }
        foreach (var (place, _) in Assets(library, "runtime"))
            Add(Assemblies, Path.GetFileNameWithoutExtension(place), place, "", platforms.Length);
        foreach (var (place, _) in Assets(library, "native"))
            Add(Natives, Path.GetFileName(place), place, "", platforms.Length);
        foreach (var (place, asset) in Assets(library, "resources"))
        {
            var locale = asset.GetProperty("locale").GetString() + "/";
            Add(Assemblies, locale + Path.GetFileNameWithoutExtension(place), place, locale, platforms.Length);
        }
    }

    private static IEnumerable<(string, JsonElement)> Assets(JsonElement library, string kind)
    {
        if (!library.TryGetProperty(kind, out var assets)) yield break;
        foreach (var asset in assets.EnumerateObject()) yield return (asset.Name, asset.Value);
    }

    /// <summary>Keeps the most exact of several; what is not in the archive is somebody else's.</summary>
    private void Add(Dictionary<string, string> places, string name, string place, string folder, int rank)
    {
        var beside = folder + Path.GetFileName(place);
        var found = isThere(place) ? place : isThere(beside) ? beside : null;
        if (found is null || ranks.TryGetValue(name, out var known) && known <= rank) return;
        (places[name], ranks[name]) = (found, rank);
    }
}
