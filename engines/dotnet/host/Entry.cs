#nullable enable
using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using System.Threading;
using System.Threading.Tasks;
using CloudNative.CloudEvents;

namespace WorkManager.Host;

/// <summary>The code of a worker has no method that can be called. The text says what to do.</summary>
internal sealed class Unusable : Exception
{
    internal Unusable(string message) : base(message) { }
}

/// <summary>Finds the method that answers events.</summary>
internal static class Entry
{
    private const string Advice =
        "a worker has one public method `Process` or `ProcessAsync`, static or of a class with a constructor without " +
        "parameters, that takes a CloudEvent, and a CancellationToken if it likes, and returns a CloudEvent, or a " +
        "Task or ValueTask of one";

    private const BindingFlags Methods =
        BindingFlags.Public | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly;

    /// <param name="name">`Type` or `Type.Method`, with or without the namespace; looked for when there is none.</param>
    internal static MethodInfo Find(IReadOnlyList<Assembly> assemblies, string? name)
    {
        var types = new List<Type>();
        foreach (var assembly in assemblies) types.AddRange(assembly.GetTypes());
        var found = Among(types, visible: true, name);
        // Source without modifiers declares classes that are seen in their assembly only.
        if (found.Count == 0) found = Among(types, visible: false, name);
        if (found.Count == 1) return found[0];
        if (found.Count == 0) throw new Unusable(None(types, name));
        var list = string.Join(", ", found.Select(Name).Order(StringComparer.Ordinal));
        throw new Unusable($"{found.Count} methods could be meant: {list}; name one as the engine's `entry`");
    }

    internal static string Name(MethodInfo method) => $"{method.DeclaringType!.FullName}.{method.Name}";

    private static List<MethodInfo> Among(List<Type> types, bool visible, string? name)
    {
        var found = new List<MethodInfo>();
        // Every start of a worker comes through here: loops, which need nothing to be compiled first.
        foreach (var type in types)
        {
            if (type.IsVisible != visible) continue;
            foreach (var method in type.GetMethods(Methods))
                if (IsNamed(method, name) && IsUsable(method)) found.Add(method);
        }
        return found;
    }

    private static bool IsNamed(MethodInfo method, string? name)
    {
        var type = method.DeclaringType!;
        var isUsual = method.Name is "Process" or "ProcessAsync";
        if (name is null) return isUsual;
        return isUsual && (name == type.FullName || name == type.Name)
            || name == Name(method) || name == $"{type.Name}.{method.Name}";
    }

    private static bool IsUsable(MethodInfo method)
    {
        var type = method.DeclaringType!;
        if (method.ContainsGenericParameters || type.ContainsGenericParameters || !IsAnswer(method.ReturnType)) return false;
        var parameters = method.GetParameters();
        var takesEvent = parameters.Length is 1 or 2 && parameters[0].ParameterType == typeof(CloudEvent);
        if (!takesEvent || parameters.Length == 2 && parameters[1].ParameterType != typeof(CancellationToken)) return false;
        return method.IsStatic || !type.IsAbstract && type.GetConstructor(Type.EmptyTypes) is not null;
    }

    private static bool IsAnswer(Type type) =>
        type == typeof(CloudEvent) || type == typeof(void)
        || type == typeof(Task<CloudEvent>) || type == typeof(Task)
        || type == typeof(ValueTask<CloudEvent>) || type == typeof(ValueTask);

    private static string None(List<Type> types, string? name)
    {
        var usual = types.SelectMany(type => type.GetMethods(Methods | BindingFlags.NonPublic))
            .Where(method => method.Name is "Process" or "ProcessAsync")
            .Select(method => $"`{method}` of {method.DeclaringType}")
            .ToList();
        var what = name is null ? "there is no method for events" : $"there is no `{name}` for events";
        return usual.Count == 0 ? $"{what}: {Advice}" : $"{what}, only {string.Join(", ", usual)}: {Advice}";
    }
}
