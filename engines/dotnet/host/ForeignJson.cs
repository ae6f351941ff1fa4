#nullable enable
using System;
using System.Reflection;
using System.Text.Json;

namespace WorkManager.Host;

/// <summary>
/// The JSON library of a worker that brings a newer one than the framework's. Its types have the names of ours and are
/// others, so values go from one to the other as text.
/// </summary>
internal sealed class ForeignJson
{
    internal const string Library = "System.Text.Json";

    private readonly Type element;
    private readonly MethodInfo read;
    private readonly MethodInfo write;

    internal ForeignJson(Assembly library)
    {
        Type Named(string name) => library.GetType($"{Library}.{name}", throwOnError: true)!;
        var (serializer, options) = (Named("JsonSerializer"), Named("JsonSerializerOptions"));
        element = Named("JsonElement");
        read = serializer.GetMethod("Deserialize", new[] { typeof(string), typeof(Type), options })!;
        write = serializer.GetMethod("Serialize", new[] { typeof(object), typeof(Type), options })!;
    }

    /// <summary>The same value, as the worker knows it.</summary>
    internal object? Read(JsonElement own) =>
        read.Invoke(null, BindingFlags.DoNotWrapExceptions, null, new object?[] { own.GetRawText(), element, null }, null);

    /// <exception cref="NotSupportedException">It cannot be written; the text is the library's.</exception>
    internal string Write(object value)
    {
        try
        {
            return (string)write.Invoke(null, BindingFlags.DoNotWrapExceptions, null, new[] { value, value.GetType(), null }, null)!;
        }
        catch (Exception error) when (error.GetType().Assembly == element.Assembly)
        {
            throw new NotSupportedException(error.Message, error);
        }
    }
}
