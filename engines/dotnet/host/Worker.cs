#nullable enable
using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;
using System.Runtime.Loader;
using System.Text.Json;
using CloudNative.CloudEvents;
using WorkManager.Wire;

namespace WorkManager.Host;

/// <summary>A loaded version.</summary>
internal sealed class Worker : IDisposable
{
    private readonly IReadOnlyDictionary<string, string> config;
    private readonly object? instance;
    private readonly Call call;
    private readonly bool takesToken;
    private readonly ForeignJson? json;

    private Worker(MethodInfo method, object? instance, IReadOnlyDictionary<string, string> config, ForeignJson? json)
    {
        (Entry, this.instance, this.config, this.json) = (Host.Entry.Name(method), instance, config, json);
        call = Calls.To(method, instance);
        takesToken = Calls.TakesToken(method);
    }

    internal string Entry { get; }

    /// <param name="code">An assembly, or an archive of assemblies.</param>
    internal static Worker Load(LoadHead head, ReadOnlyMemory<byte> code)
    {
        AssemblyLoadContext.Default.Resolving += Resolve;
        // A copy: the channel uses its buffer again.
        var bytes = code.ToArray();
        // What we have compiled ourselves needs nothing that is not here.
        var package = head.IsCompiled ? null : Package.Open(bytes);
        var assemblies = package?.Candidates() ?? new[] { AssemblyLoadContext.Default.LoadFromStream(new MemoryStream(bytes)) };
        var method = Host.Entry.Find(assemblies, head.Entry);
        var instance = method.IsStatic ? null : Activator.CreateInstance(method.DeclaringType!);
        return new Worker(method, instance, head.Config, package?.Json());
    }

    internal Answer Answer(ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
    {
        AttemptHead attempt;
        try
        {
            attempt = AttemptHead.Read(head, body, config);
        }
        catch (Exception error) when (error is JsonException or ArgumentException or InvalidOperationException)
        {
            var message = $"the event cannot be read: {error.Message}";
            return Host.Answer.Of(AttemptHead.Id(head), new Failure("invalid-event", false, message, error.GetType().FullName));
        }
        try
        {
            if (json is not null && attempt.Event.Data is JsonElement own) attempt.Event.Data = json.Read(own);
            using var deadline = Deadline.Of(attempt.Left, takesToken);
            return Host.Answer.Of(attempt.Attempt, call(attempt.Event, deadline.Token), json);
        }
        catch (Exception error)
        {
            return Host.Answer.Of(attempt.Attempt, Failures.Of(error, "exception", retryable: true));
        }
    }

    public void Dispose()
    {
        if (instance is IAsyncDisposable asynchronous) asynchronous.DisposeAsync().AsTask().GetAwaiter().GetResult();
        else if (instance is IDisposable disposable) disposable.Dispose();
    }

    /// <summary>A worker that was built against another version of the SDK gets the one that is here.</summary>
    private static Assembly? Resolve(AssemblyLoadContext context, AssemblyName name)
    {
        var own = typeof(CloudEvent).Assembly;
        return name.Name == own.GetName().Name ? own : null;
    }
}
