#nullable enable
using System;
using System.Collections.Generic;
using System.Linq;

namespace CloudNative.CloudEvents;

/// <summary>A version of the specification, and the attributes that it has.</summary>
public sealed class CloudEventsSpecVersion
{
    private readonly Dictionary<string, CloudEventAttribute> attributes;

    private CloudEventsSpecVersion(string id)
    {
        VersionId = id;
        IdAttribute = Required("id", CloudEventAttributeType.String);
        SourceAttribute = Required("source", CloudEventAttributeType.UriReference);
        TypeAttribute = Required("type", CloudEventAttributeType.String);
        DataContentTypeAttribute = Optional("datacontenttype", CloudEventAttributeType.String);
        DataSchemaAttribute = Optional("dataschema", CloudEventAttributeType.Uri);
        SubjectAttribute = Optional("subject", CloudEventAttributeType.String);
        TimeAttribute = Optional("time", CloudEventAttributeType.Timestamp);
        RequiredAttributes = Array.AsReadOnly(new[] { IdAttribute, SourceAttribute, TypeAttribute });
        OptionalAttributes =
            Array.AsReadOnly(new[] { DataContentTypeAttribute, DataSchemaAttribute, SubjectAttribute, TimeAttribute });
        AllAttributes = Array.AsReadOnly(RequiredAttributes.Concat(OptionalAttributes).ToArray());
        attributes = AllAttributes.ToDictionary(attribute => attribute.Name);
    }

    public static CloudEventAttribute SpecVersionAttribute { get; } =
        Required("specversion", CloudEventAttributeType.String);

    public static CloudEventsSpecVersion V1_0 { get; } = new("1.0");

    public static CloudEventsSpecVersion Default => V1_0;

    public string VersionId { get; }

    public CloudEventAttribute IdAttribute { get; }

    public CloudEventAttribute SourceAttribute { get; }

    public CloudEventAttribute TypeAttribute { get; }

    public CloudEventAttribute DataContentTypeAttribute { get; }

    public CloudEventAttribute DataSchemaAttribute { get; }

    public CloudEventAttribute SubjectAttribute { get; }

    public CloudEventAttribute TimeAttribute { get; }

    public IEnumerable<CloudEventAttribute> RequiredAttributes { get; }

    public IEnumerable<CloudEventAttribute> OptionalAttributes { get; }

    public IEnumerable<CloudEventAttribute> AllAttributes { get; }

    public static CloudEventsSpecVersion? FromVersionId(string? versionId) =>
        versionId == V1_0.VersionId ? V1_0 : null;

    internal CloudEventAttribute? Find(string name) => attributes.GetValueOrDefault(name);

    private static CloudEventAttribute Required(string name, CloudEventAttributeType type) =>
        new(name, type, true, false, value =>
        {
            if (value is "" or Uri { OriginalString: "" }) throw new ArgumentException("it must not be empty");
        });

    private static CloudEventAttribute Optional(string name, CloudEventAttributeType type) =>
        new(name, type, false, false, value =>
        {
            if (value is "") throw new ArgumentException("it must not be empty");
        });
}
