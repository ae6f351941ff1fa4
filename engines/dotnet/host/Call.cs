#nullable enable
using System;
using System.Reflection;
using System.Threading;
using System.Threading.Tasks;
using CloudNative.CloudEvents;

namespace WorkManager.Host;

/// <summary>Calls the worker's method; returns when its answer is there.</summary>
internal delegate CloudEvent? Call(CloudEvent @event, CancellationToken cancellation);

/// <summary>Makes one way to call of all the shapes that a method can have.</summary>
internal static class Calls
{
    internal static Call To(MethodInfo method, object? instance)
    {
        var type = method.ReturnType;
        if (type == typeof(CloudEvent))
        {
            var call = Of<CloudEvent?>(method, instance);
            return (e, c) => call(e, c);
        }
        if (type == typeof(Task<CloudEvent>))
        {
            var call = Of<Task<CloudEvent?>?>(method, instance);
            return (e, c) => call(e, c)?.GetAwaiter().GetResult();
        }
        if (type == typeof(ValueTask<CloudEvent>))
        {
            var call = Of<ValueTask<CloudEvent?>>(method, instance);
            return (e, c) =>
            {
                var answer = call(e, c);
                return answer.IsCompletedSuccessfully ? answer.Result : answer.AsTask().GetAwaiter().GetResult();
            };
        }
        return WithoutReply(method, instance);
    }

    private static Call WithoutReply(MethodInfo method, object? instance)
    {
        if (method.ReturnType == typeof(Task))
        {
            var call = Of<Task?>(method, instance);
            return (e, c) =>
            {
                call(e, c)?.GetAwaiter().GetResult();
                return null;
            };
        }
        if (method.ReturnType == typeof(ValueTask))
        {
            var call = Of<ValueTask>(method, instance);
            return (e, c) =>
            {
                call(e, c).AsTask().GetAwaiter().GetResult();
                return null;
            };
        }
        var action = TakesToken(method)
            ? method.CreateDelegate<Action<CloudEvent, CancellationToken>>(instance)
            : Ignoring(method.CreateDelegate<Action<CloudEvent>>(instance));
        return (e, c) =>
        {
            action(e, c);
            return null;
        };
    }

    private static Func<CloudEvent, CancellationToken, T> Of<T>(MethodInfo method, object? instance)
    {
        if (TakesToken(method)) return method.CreateDelegate<Func<CloudEvent, CancellationToken, T>>(instance);
        var call = method.CreateDelegate<Func<CloudEvent, T>>(instance);
        return (e, _) => call(e);
    }

    private static Action<CloudEvent, CancellationToken> Ignoring(Action<CloudEvent> call) => (e, _) => call(e);

    internal static bool TakesToken(MethodInfo method) => method.GetParameters().Length == 2;
}
