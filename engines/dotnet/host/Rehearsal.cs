#nullable enable
using System;
using System.Runtime;

namespace WorkManager.Host;

/// <summary>
/// Which methods the first event of a process takes was written down when the host was made. The runtime compiles them on
/// a second thread, ahead of the first one.
/// </summary>
internal static class Rehearsal
{
    private const string Profile = "workmanager-host.profile";

    internal static void Begin()
    {
        ProfileOptimization.SetProfileRoot(AppContext.BaseDirectory);
        ProfileOptimization.StartProfile(Profile);
    }

    /// <summary>Writes down what was compiled since the beginning.</summary>
    internal static void End() => ProfileOptimization.StartProfile(null);
}
