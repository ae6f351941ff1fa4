#nullable enable
using System;
using WorkManager.Wire;

namespace WorkManager.Compiler;

/// <summary>Compiles what it is told to load, and answers with the assembly, until the channel is closed.</summary>
internal static class Program
{
    /// <param name="arguments">Assemblies and folders of assemblies that sources may refer to.</param>
    private static int Main(string[] arguments)
    {
        var channel = new Channel();
        var compiler = new SourceCompiler(References.Read(arguments));
        channel.Write(Kind.Ready, Heads.Ready(SourceCompiler.Version), default);
        compiler.Prewarm();
        while (channel.Read(out var kind, out var head, out var body))
        {
            if (kind != Kind.Load) return 1;
            Answer(channel, compiler.Compile(Request.FileName(head.Span), body));
        }
        return 0;
    }

    private static void Answer(Channel channel, Compiled compiled)
    {
        if (compiled.Assembly is { } assembly) channel.Write(Kind.Loaded, Heads.Loaded("", true), assembly);
        else channel.Write(Kind.Error, Heads.Failed(compiled.Failure!, null), default);
    }
}
