#nullable enable
using System;
using System.Threading;

namespace WorkManager.Host;

/// <summary>The end of an attempt's time, for workers that ask for it.</summary>
internal readonly struct Deadline : IDisposable
{
    /// <summary>The longest time that a worker has to come to an end by itself.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Longest = TimeSpan.FromDays(1);

    private readonly CancellationTokenSource? source;

    private Deadline(CancellationTokenSource? source) => this.source = source;

    internal CancellationToken Token => source?.Token ?? default;

    /// <summary>Cancels when nine tenths of the time are over, but at most the grace before its end.</summary>
    internal static Deadline Of(TimeSpan left, bool isWanted)
    {
        if (!isWanted || left < TimeSpan.Zero || left > Longest) return default;
        var grace = left / 10 < Grace ? left / 10 : Grace;
        return new(new CancellationTokenSource(left - grace));
    }

    public void Dispose() => source?.Dispose();
}
