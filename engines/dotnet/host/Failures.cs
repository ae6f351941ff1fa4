#nullable enable
using System;
using System.Linq;
using System.Reflection;
using System.Text;
using WorkManager.Wire;

namespace WorkManager.Host;

/// <summary>What is said about an exception.</summary>
internal static class Failures
{
    private const int MaxStack = 32 << 10;

    internal static Failure Of(Exception thrown, string kind, bool retryable)
    {
        var error = thrown is TargetInvocationException { InnerException: { } inner } ? inner : thrown;
        if (error is OutOfMemoryException) (kind, retryable) = ("out-of-memory", true);
        var type = error.GetType().FullName;
        try
        {
            if (error is Unusable) return new(kind, retryable, error.Message);
            return new(kind, retryable, Message(error), type, Stack(error));
        }
        catch (Exception second)
        {
            // A worker's exception may not even be printable.
            return new(kind, retryable, $"{type} (which cannot be printed: {second.GetType().FullName})", type);
        }
    }

    private static string Message(Exception error)
    {
        if (error is ReflectionTypeLoadException loading)
        {
            var missing = loading.LoaderExceptions.Select(one => one?.Message).Distinct();
            return string.Join("; ", missing);
        }
        var message = error.Message;
        var end = message.AsSpan().IndexOfAny('\r', '\n');
        if (end >= 0) message = message[..end];
        return message == "" ? error.GetType().FullName! : message;
    }

    /// <summary>The stack without the host's own part of it.</summary>
    private static string Stack(Exception error)
    {
        var stack = new StringBuilder();
        foreach (var line in error.ToString().Split('\n'))
        {
            if (line.StartsWith("   at WorkManager.Host.", StringComparison.Ordinal)) continue;
            if (line.StartsWith("   at System.RuntimeType.CreateInstance", StringComparison.Ordinal)) continue;
            if (line.StartsWith("   at System.Activator.", StringComparison.Ordinal)) continue;
            stack.Append(line).Append('\n');
        }
        var text = stack.ToString().TrimEnd();
        if (text.Length <= MaxStack) return text;
        return string.Concat(text.AsSpan(0, MaxStack / 2), "\n   ...\n", text.AsSpan(text.Length - MaxStack / 2));
    }
}
