//! The type of events, as its public documentation has it. What holds here holds for the package too, so the list
//! can be run with either of them beside the host.

use crate::support::load;

/// C# expressions of an event `e`, and what they come to: a value as text, or the name of an exception.
const LIST: &[(&str, &str)] = &[
    ("new CloudEvent().SpecVersion.VersionId", "1.0"),
    ("CloudEventsSpecVersion.Default == CloudEventsSpecVersion.V1_0", "True"),
    ("CloudEventsSpecVersion.FromVersionId(\"1.0\") == CloudEventsSpecVersion.V1_0", "True"),
    ("CloudEventsSpecVersion.FromVersionId(\"0.0\") == null", "True"),
    (
        "string.Join(\",\", CloudEventsSpecVersion.V1_0.RequiredAttributes.Select(a => a.Name).Order())",
        "id,source,type",
    ),
    (
        "string.Join(\",\", CloudEventsSpecVersion.V1_0.OptionalAttributes.Select(a => a.Name).Order())",
        "datacontenttype,dataschema,subject,time",
    ),
    ("CloudEventsSpecVersion.SpecVersionAttribute.Name", "specversion"),
    ("new CloudEvent().IsValid", "False"),
    ("new CloudEvent { Id = \"1\", Source = new Uri(\"/s\", UriKind.Relative), Type = \"t\" }.IsValid", "True"),
    ("new CloudEvent { Id = \"1\", Type = \"t\" }.Validate()", "InvalidOperationException"),
    ("new CloudEvent { Id = \"\" }", "ArgumentException"),
    ("new CloudEvent { Source = new Uri(\"\", UriKind.Relative) }", "ArgumentException"),
    ("new CloudEvent { DataSchema = new Uri(\"/s\", UriKind.Relative) }", "ArgumentException"),
    ("new CloudEvent { Id = \"a\\u0001\" }", "ArgumentException"),
    ("new CloudEvent { Id = \"a\\ud800\" }", "ArgumentException"),
    ("new CloudEvent { Id = \"a\\uffff\" }", "ArgumentException"),
    ("new CloudEvent { Id = \"\\ud83d\\ude00\" }.Id.Length", "2"),
    ("new CloudEvent { [\"specversion\"] = \"1.0\" }", "ArgumentException"),
    ("new CloudEvent { [\"Upper\"] = \"v\" }", "ArgumentException"),
    ("new CloudEvent { [\"\"] = \"v\" }", "ArgumentException"),
    ("new CloudEvent { [\"ext\"] = 7 }", "ArgumentException"),
    ("new CloudEvent { [\"ext\"] = \"v\" }[\"ext\"]", "v"),
    ("new CloudEvent { [\"ext\"] = \"v\" }.GetAttribute(\"ext\").Type.Name", "String"),
    ("new CloudEvent()[\"absent\"] == null", "True"),
    ("new CloudEvent { [\"id\"] = \"7\" }.Id", "7"),
    ("new CloudEvent { [\"time\"] = \"2026-01-02T03:04:05Z\" }", "ArgumentException"),
    ("Change(e => { e[\"ext\"] = \"v\"; e[\"ext\"] = null; }).GetPopulatedAttributes().Count()", "0"),
    ("Change(e => e.SetAttributeFromString(\"time\", \"2026-01-02T03:04:05Z\")).Time.Value.Hour", "3"),
    ("Change(e => e.SetAttributeFromString(\"time\", \"yesterday\"))", "ArgumentException"),
    ("Change(e => e.SetAttributeFromString(\"specversion\", \"1.0\"))", "ArgumentException"),
    ("Change(e => e.SetAttributeFromString(\"id\", null))", "ArgumentNullException"),
    ("new CloudEvent(new[] { Number })[Number] == null", "True"),
    ("Change(e => e[Number] = 7)[\"number\"]", "7"),
    ("Change(e => e[Number] = \"7\")", "ArgumentException"),
    ("Change(e => { e[Number] = 1; e.SetAttributeFromString(\"number\", \"-8\"); })[Number]", "-8"),
    ("Change(e => { e[Number] = 1; e.SetAttributeFromString(\"number\", \"+8\"); })", "ArgumentException"),
    ("CloudEventAttribute.CreateExtension(\"specversion\", CloudEventAttributeType.String)", "ArgumentException"),
    (
        "new CloudEvent(new[] { CloudEventAttribute.CreateExtension(\"id\", CloudEventAttributeType.String) })",
        "ArgumentException",
    ),
    ("CloudEventAttributeType.Boolean.Format(true)", "true"),
    ("CloudEventAttributeType.Boolean.Parse(\"false\")", "False"),
    ("CloudEventAttributeType.Integer.Format(-7)", "-7"),
    ("CloudEventAttributeType.Binary.Format(new byte[] { 1, 2 })", "AQI="),
    ("CloudEventAttributeType.Uri.Name", "URI"),
    ("CloudEventAttributeType.UriReference.Name", "URI-Reference"),
    ("CloudEventAttributeType.Timestamp.ClrType.Name", "DateTimeOffset"),
    ("Stamp(\"2026-01-02T03:04:05Z\")", "2026-01-02T03:04:05Z"),
    ("Stamp(\"2026-01-02T03:04:05.123456789Z\")", "2026-01-02T03:04:05.1234567Z"),
    ("Stamp(\"2026-01-02T03:04:05+01:30\")", "2026-01-02T03:04:05+01:30"),
    ("Try(() => CloudEventAttributeType.Timestamp.Parse(\"2026-01-02 03:04:05Z\")) is Exception", "True"),
    ("Try(() => CloudEventAttributeType.Timestamp.Parse(\"2026-01-02T03:04:05\")) is Exception", "True"),
    ("Try(() => CloudEventAttributeType.Timestamp.Parse(\"2026-01-02T03:04:05z\")) is Exception", "True"),
    ("Try(() => CloudEventAttributeType.Timestamp.Parse(\"2026-13-02T03:04:05Z\")) is Exception", "True"),
    ("typeof(CloudEvent).Assembly.GetName().Name", "CloudNative.CloudEvents"),
    ("Convert.ToHexString(typeof(CloudEvent).Assembly.GetName().GetPublicKeyToken()).ToLower()", "eb8e1fd825734e88"),
    ("typeof(CloudEvent).IsSealed", "True"),
];

#[tokio::test]
async fn it_does_what_its_documentation_says() {
    let tries: String = LIST.iter().map(|(expression, _)| format!("        () => {expression},\n")).collect();
    let source = format!(
        "using CloudNative.CloudEvents;
public class Worker
{{
    static readonly CloudEventAttribute Number = CloudEventAttribute.CreateExtension(\"number\", CloudEventAttributeType.Integer);
    static readonly Func<object>[] List = {{
{tries}    }};
    static object Try(Func<object> f) {{ try {{ return f(); }} catch (Exception x) {{ return x; }} }}
    static CloudEvent Change(Action<CloudEvent> change) {{ var e = new CloudEvent(); change(e); return e; }}
    static string Stamp(string text) => CloudEventAttributeType.Timestamp.Format(CloudEventAttributeType.Timestamp.Parse(text));
    static string Say(object value) => value is Exception x ? x.GetType().Name : $\"{{value}}\";
    public CloudEvent Process(CloudEvent _) => new CloudEvent {{ Type = \"t\", Data = List.Select(f => Say(Try(f))).ToArray() }};
}}"
    );
    let Some(mut worker) = load(&source).await else { return };
    let found: Vec<String> = serde_json::from_str(&worker.json("1").await.data()).unwrap();
    assert_eq!(found.len(), LIST.len());
    let wrong: Vec<_> = LIST.iter().zip(&found).filter(|((_, expected), found)| expected != found).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
