#nullable enable
// A stand-in for the CloudEvents SDK, with its identity and the part of its surface that workers use. It serves
// where the package itself cannot be had; where it lies beside the host, it is what runs.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;

[assembly: AssemblyVersion("2.9.0.0")]
[assembly: AssemblyTitle("CloudNative.CloudEvents, WorkManager's stand-in")]

namespace CloudNative.CloudEvents;

/// <summary>An event: attributes and data.</summary>
public sealed class CloudEvent
{
    private readonly Dictionary<string, object> values = new();
    private readonly Dictionary<string, CloudEventAttribute> extensions = new();

    public CloudEvent() : this(CloudEventsSpecVersion.Default, null) { }

    public CloudEvent(IEnumerable<CloudEventAttribute>? extensionAttributes)
        : this(CloudEventsSpecVersion.Default, extensionAttributes) { }

    public CloudEvent(CloudEventsSpecVersion specVersion) : this(specVersion, null) { }

    public CloudEvent(CloudEventsSpecVersion specVersion, IEnumerable<CloudEventAttribute>? extensionAttributes)
    {
        SpecVersion = specVersion ?? throw new ArgumentNullException(nameof(specVersion));
        foreach (var attribute in extensionAttributes ?? Enumerable.Empty<CloudEventAttribute>())
        {
            if (attribute is null || !attribute.IsExtension || specVersion.Find(attribute.Name) is not null)
                throw new ArgumentException($"'{attribute?.Name}' is no extension attribute", nameof(extensionAttributes));
            if (!extensions.TryAdd(attribute.Name, attribute))
                throw new ArgumentException($"'{attribute.Name}' is given twice", nameof(extensionAttributes));
        }
    }

    public CloudEventsSpecVersion SpecVersion { get; }

    public object? Data { get; set; }

    public string? Id
    {
        get => (string?)this[SpecVersion.IdAttribute];
        set => this[SpecVersion.IdAttribute] = value;
    }

    public Uri? Source
    {
        get => (Uri?)this[SpecVersion.SourceAttribute];
        set => this[SpecVersion.SourceAttribute] = value;
    }

    public string? Type
    {
        get => (string?)this[SpecVersion.TypeAttribute];
        set => this[SpecVersion.TypeAttribute] = value;
    }

    public string? Subject
    {
        get => (string?)this[SpecVersion.SubjectAttribute];
        set => this[SpecVersion.SubjectAttribute] = value;
    }

    public DateTimeOffset? Time
    {
        get => (DateTimeOffset?)this[SpecVersion.TimeAttribute];
        set => this[SpecVersion.TimeAttribute] = value;
    }

    public string? DataContentType
    {
        get => (string?)this[SpecVersion.DataContentTypeAttribute];
        set => this[SpecVersion.DataContentTypeAttribute] = value;
    }

    public Uri? DataSchema
    {
        get => (Uri?)this[SpecVersion.DataSchemaAttribute];
        set => this[SpecVersion.DataSchemaAttribute] = value;
    }

    public IEnumerable<CloudEventAttribute> ExtensionAttributes => extensions.Values;

    public bool IsValid => SpecVersion.RequiredAttributes.All(attribute => values.ContainsKey(attribute.Name));

    public object? this[CloudEventAttribute attribute]
    {
        get
        {
            Known(attribute);
            return values.GetValueOrDefault(attribute.Name);
        }
        set
        {
            Known(attribute);
            if (attribute.IsExtension) extensions[attribute.Name] = attribute;
            if (value is null) values.Remove(attribute.Name);
            else values[attribute.Name] = attribute.Validate(value);
        }
    }

    public object? this[string attributeName]
    {
        get
        {
            Usable(attributeName);
            return values.GetValueOrDefault(attributeName);
        }
        set
        {
            Usable(attributeName);
            var attribute = GetAttribute(attributeName);
            if (attribute is null)
            {
                if (value is null) return;
                if (value is not string)
                    throw new ArgumentException($"the new attribute '{attributeName}' can be set to a string only");
                attribute = CloudEventAttribute.CreateExtension(attributeName, CloudEventAttributeType.String);
            }
            this[attribute] = value;
        }
    }

    public CloudEventAttribute? GetAttribute(string name) =>
        SpecVersion.Find(name) ?? extensions.GetValueOrDefault(name);

    public IEnumerable<KeyValuePair<CloudEventAttribute, object>> GetPopulatedAttributes()
    {
        foreach (var (name, value) in values)
            yield return new(GetAttribute(name)!, value);
    }

    public void SetAttributeFromString(string name, string value)
    {
        if (value is null) throw new ArgumentNullException(nameof(value));
        Usable(name);
        var attribute = GetAttribute(name) ?? CloudEventAttribute.CreateExtension(name, CloudEventAttributeType.String);
        this[attribute] = attribute.Parse(value);
    }

    public CloudEvent Validate()
    {
        var missing = SpecVersion.RequiredAttributes.Where(attribute => !values.ContainsKey(attribute.Name));
        var names = string.Join(", ", missing.Select(attribute => attribute.Name));
        return names == "" ? this : throw new InvalidOperationException($"Missing required attributes: {names}");
    }

    private static void Usable(string name)
    {
        if (name is null) throw new ArgumentNullException(nameof(name));
        if (name == CloudEventsSpecVersion.SpecVersionAttribute.Name)
            throw new ArgumentException("the specversion is given when the event is made");
        CloudEventAttribute.CheckName(name);
    }

    private void Known(CloudEventAttribute attribute)
    {
        if (attribute is null) throw new ArgumentNullException(nameof(attribute));
        Usable(attribute.Name);
        var known = GetAttribute(attribute.Name);
        if (known is null ? !attribute.IsExtension : known.Type != attribute.Type || known.IsExtension != attribute.IsExtension)
            throw new ArgumentException($"'{attribute.Name}' is another attribute of this event");
    }
}
