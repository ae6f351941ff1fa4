#nullable enable
using System;
using System.Collections.Immutable;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace WorkManager.Host;

/// <summary>What a file is, by its own headers.</summary>
internal static class Portable
{
    internal static string NameOf(byte[] code)
    {
        using var file = Open("the code", code);
        var reader = file.GetMetadataReader();
        return reader.GetString(reader.GetAssemblyDefinition().Name);
    }

    /// <summary>The version of an assembly; of what is none, the lowest.</summary>
    internal static Version VersionOf(byte[] code)
    {
        try
        {
            using var file = new PEReader(ImmutableArray.Create(code));
            return file.HasMetadata ? file.GetMetadataReader().GetAssemblyDefinition().Version : new Version();
        }
        catch (BadImageFormatException)
        {
            return new Version();
        }
    }

    /// <summary>An assembly that can run here.</summary>
    /// <exception cref="Unusable">It cannot.</exception>
    internal static PEReader Open(string name, byte[] code)
    {
        var file = new PEReader(ImmutableArray.Create(code));
        try
        {
            if (!file.HasMetadata) throw new Unusable($"{name} is no .NET assembly but a library of the system");
            if (!file.GetMetadataReader().IsAssembly) throw new Unusable($"{name} is a part of an assembly, not one");
            var flags = file.PEHeaders.CorHeader!.Flags;
            if (flags.HasFlag(CorFlags.Requires32Bit))
                throw new Unusable($"{name} is built for 32 bits (x86); build it for any processor");
            if ((flags & (CorFlags.ILOnly | CorFlags.ILLibrary)) == 0)
                throw new Unusable($"{name} has code for Windows in it (C++/CLI, mixed mode), which does not run here");
            return file;
        }
        catch (BadImageFormatException error)
        {
            throw new Unusable($"{name} is no .NET assembly: {error.Message}");
        }
    }
}
