#nullable enable
using System;
using System.Collections.Generic;
using System.IO;
using System.IO.Compression;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace WorkManager.Host;

/// <summary>An archive with a worker and what it depends on: what `dotnet publish` writes, or a nupkg.</summary>
internal sealed class Package
{
    private const int MaxFiles = 4096;
    private const long MaxBytes = 256 << 20;

    private readonly Layout layout;
    private readonly Dictionary<string, Assembly> loaded = new(StringComparer.OrdinalIgnoreCase);

    private Package(Layout layout) => this.layout = layout;

    internal static bool IsOne(ReadOnlySpan<byte> code) => code.StartsWith("PK\x03\x04"u8) || code.StartsWith("PK\x05\x06"u8);

    /// <summary>Opens an archive; from now on what it has is found by name.</summary>
    internal static Package Open(byte[] bytes)
    {
        var archive = new ZipArchive(new MemoryStream(bytes, false), ZipArchiveMode.Read);
        var total = 0L;
        foreach (var entry in archive.Entries)
        {
            total += entry.Length;
            var escapes = entry.FullName.StartsWith('/') || Array.IndexOf(entry.FullName.Split('/', '\\'), "..") >= 0;
            if (escapes) throw new Unusable($"the archive has a file outside of itself: {entry.FullName}");
        }
        if (archive.Entries.Count > MaxFiles) throw new Unusable($"the archive has more than {MaxFiles} files");
        if (total > MaxBytes) throw new Unusable($"the archive has more than {MaxBytes >> 20} MiB");
        var package = new Package(Layout.Of(archive));
        AssemblyLoadContext.Default.Resolving += (_, name) => package.Resolve(name);
        AssemblyLoadContext.Default.ResolvingUnmanagedDll += (_, name) => package.ResolveNative(name);
        return package;
    }

    /// <summary>The assemblies in which the entry is looked for: the one that is named, else all that are not the framework's.</summary>
    internal IReadOnlyList<Assembly> Candidates()
    {
        var candidates = new List<Assembly>();
        foreach (var name in layout.Candidates())
        {
            var missing = Dependencies.Missing(layout, name);
            if (missing.Count > 0)
            {
                throw new Unusable($"`{name}.dll` needs what is not there: " +
                                   $"{string.Join(", ", missing)}; bring a zip of what `dotnet publish` writes for this framework");
            }
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
        var symbols = layout.Symbols(file);
        using var assembly = new MemoryStream(Layout.Read(file));
        using var pdb = symbols is null ? null : new MemoryStream(Layout.Read(symbols));
        return loaded[name] = AssemblyLoadContext.Default.LoadFromStream(assembly, pdb);
    }

    /// <summary>Libraries of the system are loaded from files, so they are written to the process's own folder.</summary>
    private IntPtr ResolveNative(string name)
    {
        if (layout.Native(name) is not { } file) return IntPtr.Zero;
        var path = Path.Combine(Path.GetTempPath(), file.Name);
        if (!File.Exists(path)) File.WriteAllBytes(path, Layout.Read(file));
        return NativeLibrary.Load(path);
    }
}
