#nullable enable
using System;
using WorkManager.Wire;

namespace WorkManager.Host;

/// <summary>Loads one version of one worker and answers attempts, one at a time, until the channel is closed.</summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        Rehearsal.Begin();
        var channel = new Channel();
        if (arguments is ["prewarmed"]) Prewarm.Run();
        channel.Write(Kind.Ready, Heads.Ready($".NET {Environment.Version}"), default);
        Worker? worker = null;
        while (channel.Read(out var kind, out var head, out var body))
        {
            switch (kind)
            {
                case Kind.Load:
                    worker = Load(channel, head, body);
                    break;
                case Kind.Attempt when worker is not null:
                    worker.Answer(head.Span, body.Span).WriteTo(channel);
                    break;
                default:
                    return 1;
            }
        }
        worker?.Dispose();
        if (arguments is ["rehearsal"]) Rehearsal.End();
        return 0;
    }

    private static Worker? Load(Channel channel, ReadOnlyMemory<byte> head, ReadOnlyMemory<byte> body)
    {
        try
        {
            var worker = Worker.Load(LoadHead.Read(head.Span), body);
            channel.Write(Kind.Loaded, Heads.Loaded(worker.Entry, false), default);
            return worker;
        }
        catch (Exception error)
        {
            var failure = Failures.Of(error, "load-failed", retryable: false);
            channel.Write(Kind.Error, Heads.Failed(failure, null), default);
            return null;
        }
    }
}
