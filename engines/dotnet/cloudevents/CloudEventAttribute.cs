#nullable enable
using System;

namespace CloudNative.CloudEvents;

/// <summary>An attribute that an event can have: its name, and what its values are.</summary>
public class CloudEventAttribute
{
    private readonly Action<object>? validator;

    internal CloudEventAttribute(
        string name, CloudEventAttributeType type, bool required, bool extension, Action<object>? validator = null)
    {
        Name = CheckName(name);
        Type = type ?? throw new ArgumentNullException(nameof(type));
        (IsRequired, IsExtension, this.validator) = (required, extension, validator);
    }

    public string Name { get; }

    public CloudEventAttributeType Type { get; }

    public bool IsRequired { get; }

    public bool IsExtension { get; }

    public static CloudEventAttribute CreateExtension(string name, CloudEventAttributeType type) =>
        CreateExtension(name, type, null);

    public static CloudEventAttribute CreateExtension(
        string name, CloudEventAttributeType type, Action<object>? validator) =>
        name == "specversion"
            ? throw new ArgumentException("'specversion' is no extension", nameof(name))
            : new(name, type, false, true, validator);

    public object Parse(string text) => Checked(() => Type.Parse(text));

    public string Format(object value) => Type.Format(Validate(value));

    public object Validate(object value) => Checked(() =>
    {
        Type.Validate(value);
        return value;
    });

    public override string ToString() => Name;

    internal static string CheckName(string name)
    {
        if (name is null) throw new ArgumentNullException(nameof(name));
        foreach (var c in name)
            if (c is not (>= 'a' and <= 'z' or >= '0' and <= '9'))
                throw new ArgumentException($"'{name}' is no name of an attribute: a-z and 0-9 only");
        return name != "" ? name : throw new ArgumentException("an attribute's name is not empty");
    }

    private object Checked(Func<object> make)
    {
        try
        {
            var value = make();
            validator?.Invoke(value);
            return value;
        }
        catch (Exception error) when (error is not ArgumentNullException)
        {
            throw new ArgumentException($"'{Name}': {error.Message}", error);
        }
    }
}
