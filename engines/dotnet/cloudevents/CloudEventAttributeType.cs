#nullable enable
using System;

namespace CloudNative.CloudEvents;

/// <summary>What the values of an attribute are, in the words of the CloudEvents specification.</summary>
public abstract class CloudEventAttributeType
{
    private CloudEventAttributeType(string name, Type clrType) => (Name, ClrType) = (name, clrType);

    public static CloudEventAttributeType Binary { get; } =
        new Of<byte[]>("Binary", Convert.FromBase64String, Convert.ToBase64String);

    public static CloudEventAttributeType Boolean { get; } =
        new Of<bool>("Boolean", ParseBoolean, value => value ? "true" : "false");

    public static CloudEventAttributeType Integer { get; } = new Of<int>("Integer", Texts.ParseInteger, Texts.FormatInteger);

    public static CloudEventAttributeType String { get; } = new Of<string>("String", text => text, text => text, Texts.Check);

    public static CloudEventAttributeType Uri { get; } =
        new Of<Uri>("URI", text => new Uri(text, UriKind.Absolute), uri => uri.OriginalString, CheckAbsolute);

    public static CloudEventAttributeType UriReference { get; } =
        new Of<Uri>("URI-Reference", text => new Uri(text, UriKind.RelativeOrAbsolute), uri => uri.OriginalString);

    public static CloudEventAttributeType Timestamp { get; } =
        new Of<DateTimeOffset>("Timestamp", Timestamps.Parse, Timestamps.Format);

    public string Name { get; }

    public Type ClrType { get; }

    public abstract object Parse(string value);

    public abstract string Format(object value);

    public abstract void Validate(object value);

    public override string ToString() => Name;

    private static bool ParseBoolean(string text) => text switch
    {
        "true" => true,
        "false" => false,
        _ => throw new ArgumentException($"'{text}' is neither true nor false"),
    };

    private static void CheckAbsolute(Uri uri)
    {
        if (!uri.IsAbsoluteUri) throw new ArgumentException($"'{uri}' is no absolute URI");
    }

    private sealed class Of<T> : CloudEventAttributeType where T : notnull
    {
        private readonly Func<string, T> parse;
        private readonly Func<T, string> format;
        private readonly Action<T>? check;

        internal Of(string name, Func<string, T> parse, Func<T, string> format, Action<T>? check = null)
            : base(name, typeof(T)) => (this.parse, this.format, this.check) = (parse, format, check);

        public override object Parse(string value)
        {
            var parsed = parse(value ?? throw new ArgumentNullException(nameof(value)));
            check?.Invoke(parsed);
            return parsed;
        }

        public override string Format(object value)
        {
            Validate(value);
            return format((T)value);
        }

        public override void Validate(object value)
        {
            if (value is null) throw new ArgumentNullException(nameof(value));
            if (value is not T typed)
                throw new ArgumentException($"a value of type {value.GetType()} is none of {typeof(T)}");
            check?.Invoke(typed);
        }
    }
}
