#nullable enable
using System;
using System.Collections.Generic;
using System.IO;
using System.IO.Compression;

namespace WorkManager.Host;

/// <summary>One file of a worker's code.</summary>
/// <param name="Path">Its place in the archive; empty for an assembly that came alone.</param>
internal sealed record Archived(string Path, Func<byte[]> Read)
{
    private const int MaxFiles = 4096;
    private const long MaxBytes = 256 << 20;

    internal static bool IsArchive(ReadOnlySpan<byte> code) => code.StartsWith("PK\x03\x04"u8) || code.StartsWith("PK\x05\x06"u8);

    /// <summary>The files of an archive by their place in the folder around them all; it never leads out of that.</summary>
    internal static Dictionary<string, Archived> Open(byte[] code)
    {
        var archive = new ZipArchive(new MemoryStream(code, false), ZipArchiveMode.Read);
        if (archive.Entries.Count == 0) throw new Unusable("the archive is empty; bring a zip of what `dotnet publish` writes");
        if (archive.Entries.Count > MaxFiles) throw new Unusable($"the archive has more than {MaxFiles} files");
        var places = new List<(string Path, ZipArchiveEntry Entry)>();
        var total = 0L;
        foreach (var entry in archive.Entries)
        {
            total += entry.Length;
            var path = entry.FullName.Replace('\\', '/');
            // What macOS knows of its files is none.
            if (path.StartsWith("__MACOSX/", StringComparison.Ordinal)) continue;
            var escapes = path.StartsWith('/') || Array.IndexOf(path.Split('/'), "..") >= 0;
            if (escapes) throw new Unusable($"the archive has a file outside of itself: {entry.FullName}");
            places.Add((path, entry));
        }
        if (total > MaxBytes) throw new Unusable($"the archive has more than {MaxBytes >> 20} MiB");
        var around = Around(places);
        var files = new Dictionary<string, Archived>(StringComparer.OrdinalIgnoreCase);
        foreach (var (path, entry) in places)
            files.TryAdd(path[around..], new(path[around..], () => Bytes(entry)));
        return files;
    }

    /// <summary>How long the name of the folder is that everything lies in, as `zip -r worker.zip publish` packs it.</summary>
    private static int Around(List<(string Path, ZipArchiveEntry Entry)> places)
    {
        var around = places.Count == 0 ? "" : Folder(places[0].Path);
        foreach (var (path, _) in places)
            while (!path.StartsWith(around, StringComparison.Ordinal)) around = Folder(around.TrimEnd('/'));
        return around.Length;
    }

    private static string Folder(string path) => path[..(path.LastIndexOf('/') + 1)];

    private static byte[] Bytes(ZipArchiveEntry entry)
    {
        using var stream = entry.Open();
        var bytes = new byte[entry.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
