#nullable enable
using System;
using System.Collections.Generic;
using System.IO;
using System.IO.Compression;
using System.Linq;
using System.Text;
using Microsoft.CodeAnalysis.Text;

namespace WorkManager.Compiler;

/// <summary>The files of a source: one, or an archive of several.</summary>
internal static class Sources
{
    private const int MaxFiles = 1024;
    private const long MaxBytes = 16 << 20;

    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <exception cref="InvalidDataException">It has none; the text says what to do.</exception>
    internal static List<(string Name, SourceText Text)> Read(string fileName, byte[] source)
    {
        var isArchive = source.AsSpan().StartsWith("PK\x03\x04"u8) || source.AsSpan().StartsWith("PK\x05\x06"u8);
        if (!isArchive) return new() { (fileName, Text(fileName, new MemoryStream(source))) };
        try
        {
            return Unpacked(source);
        }
        catch (Exception error) when (error is not InvalidDataException)
        {
            throw new InvalidDataException($"the archive cannot be read: {error.Message}");
        }
    }

    private static List<(string, SourceText)> Unpacked(byte[] source)
    {
        using var archive = new ZipArchive(new MemoryStream(source, false), ZipArchiveMode.Read);
        // Whoever packs a project's folder packs what was built there too.
        var files = archive.Entries
            .Where(entry => entry.FullName.EndsWith(".cs", StringComparison.OrdinalIgnoreCase) && !IsBuilt(entry.FullName))
            .OrderBy(entry => entry.FullName, StringComparer.Ordinal)
            .ToList();
        if (files.Count == 0) throw new InvalidDataException("the archive has no .cs file; a published project is loaded as text/x-dll");
        if (files.Count > MaxFiles) throw new InvalidDataException($"the archive has more than {MaxFiles} .cs files");
        if (files.Exists(file => file.Length > MaxBytes) || files.Sum(file => file.Length) > MaxBytes)
            throw new InvalidDataException($"the archive has more than {MaxBytes >> 20} MiB of source");
        return files.ConvertAll(file =>
        {
            using var stream = file.Open();
            // No more than it says, whatever it unpacks to.
            var bytes = new byte[file.Length];
            stream.ReadExactly(bytes);
            return (file.FullName, Text(file.FullName, new MemoryStream(bytes)));
        });
    }

    private static bool IsBuilt(string path) => path.Split('/', '\\').Any(folder => folder is "bin" or "obj");

    private static SourceText Text(string name, Stream stream)
    {
        try
        {
            return SourceText.From(stream, Strict);
        }
        catch (DecoderFallbackException)
        {
            throw new InvalidDataException($"{name} is no UTF-8 text");
        }
    }
}
