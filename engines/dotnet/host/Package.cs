#nullable enable
using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using CloudNative.CloudEvents;

namespace WorkManager.Host;

/// <summary>
/// Assemblies of a worker, and what they depend on. They live in the default context, unless something among them
/// is newer than the framework's copy of it: that is found first only in a context of their own.
/// </summary>
internal sealed class Package
{
    private readonly Layout layout;
    private readonly AssemblyLoadContext context;
    private readonly Dictionary<string, Assembly> loaded = new(StringComparer.OrdinalIgnoreCase);

    private Package(Layout layout)
    {
        this.layout = layout;
        if (!layout.ReplacesFramework)
        {
            context = AssemblyLoadContext.Default;
            context.Resolving += (_, name) => Resolve(name);
        }
        else context = new Own(this);
        context.ResolvingUnmanagedDll += (_, name) => ResolveNative(name);
    }

    /// <summary>Opens a worker's code; from now on what it has is found by name.</summary>
    internal static Package Open(byte[] code) => new(Layout.Of(code));

    /// <summary>The worker's own library for JSON, where that is not the host's.</summary>
    internal ForeignJson? Json() =>
        layout.Replaces(ForeignJson.Library) && Load(ForeignJson.Library) is { } library ? new ForeignJson(library) : null;

    /// <summary>The assemblies in which the entry is looked for: the one that is named, else all that are not the framework's.</summary>
    internal IReadOnlyList<Assembly> Candidates()
    {
        var candidates = new List<Assembly>();
        foreach (var name in layout.Candidates())
        {
            Dependencies.Check(layout, name);
            candidates.Add(Load(name)!);
        }
        return candidates.Count > 0 ? candidates : throw new Unusable("the archive has no assembly of a worker");
    }

    private Assembly? Resolve(AssemblyName name) => string.IsNullOrEmpty(name.CultureName)
        ? Load(name.Name!)
        : Load($"{name.CultureName}/{name.Name}");

    private Assembly? Load(string name)
    {
        if (loaded.TryGetValue(name, out var known)) return known;
        if (layout.Assembly(name) is not { } file) return null;
        using var assembly = new MemoryStream(file.Read());
        using var pdb = layout.Symbols(file) is { } symbols ? new MemoryStream(symbols.Read()) : null;
        return loaded[name] = context.LoadFromStream(assembly, pdb);
    }

    /// <summary>Libraries of the system are loaded from files, so they are written to the process's own folder.</summary>
    private IntPtr ResolveNative(string name)
    {
        if (layout.Native(name) is not { } file) return IntPtr.Zero;
        var path = Path.Combine(Path.GetTempPath(), Path.GetFileName(file.Path));
        if (!File.Exists(path)) File.WriteAllBytes(path, file.Read());
        return NativeLibrary.Load(path);
    }

    /// <summary>Finds a worker's copy first where that is newer; the type of events is always the host's.</summary>
    private sealed class Own : AssemblyLoadContext
    {
        private readonly Package package;

        internal Own(Package package) : base("worker") => this.package = package;

        protected override Assembly? Load(AssemblyName name)
        {
            var events = typeof(CloudEvent).Assembly;
            if (name.Name == events.GetName().Name) return events;
            var isFrameworks = Frameworks.Has(name.Name!) && !package.layout.Replaces(name.Name!);
            return isFrameworks ? null : package.Resolve(name);
        }
    }
}
