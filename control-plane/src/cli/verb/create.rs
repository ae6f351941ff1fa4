//! `create`: a new worker from a file.

use std::ffi::OsString;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args as ClapArgs;
use serde_json::{Map, Value, json};
use workmanager_core_domain::{
    GroupName, MimeType, Topic, WorkerName,
    units::{Size, Span},
};

use super::show;
use crate::cli::{
    client::{Call, Client, Route},
    error::Error,
    options::Pair,
    output::{Output, with_progress},
    source::Source,
};

/// Arguments of `create`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// The code; - reads standard input.
    file: OsString,
    /// The worker's name [default: the file's name without extension].
    #[arg(long)]
    name: Option<WorkerName>,
    /// A topic whose events it gets; may be repeated [default: time-worker-topic].
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<Topic>,
    /// Take only events for which this CEL expression is true, as in `event.type == "order.created"`.
    #[arg(long, value_name = "CEL")]
    filter: Option<String>,
    /// Where its replies go.
    #[arg(long, value_name = "TOPIC")]
    reply_topic: Option<Topic>,
    /// Run mutually exclusively with the group's other members.
    #[arg(long)]
    group: Option<GroupName>,
    /// Take events with the same `partitionkey` one after another.
    #[arg(long, value_name = "ORDER", value_parser = ["none", "partitionkey"])]
    ordering: Option<String>,
    /// A tag for people and filters; may be repeated.
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = Pair::equals)]
    tags: Vec<Pair>,
    /// An attribute that the worker finds in every event; may be repeated.
    #[arg(long = "config", value_name = "KEY=VALUE", value_parser = Pair::equals)]
    config: Vec<Pair>,
    /// What kind of code it is [default: by the file's extension].
    #[arg(long, value_name = "TYPE")]
    mime_type: Option<MimeType>,
    #[command(flatten)]
    limits: Limits,
    /// Start it at once.
    #[arg(long)]
    start: bool,
    /// How long to wait for the function's verdict on the code.
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    wait: Span,
}

/// What the worker may use.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Limits")]
struct Limits {
    /// Wall-clock time of one attempt.
    #[arg(long, value_name = "DURATION")]
    timeout: Option<Span>,
    /// Memory of one engine process.
    #[arg(long, value_name = "SIZE")]
    memory: Option<Size>,
    /// Attempts in flight.
    #[arg(long, value_name = "NUMBER")]
    concurrency: Option<u32>,
    /// Attempts before an event is given up.
    #[arg(long, value_name = "NUMBER")]
    max_attempts: Option<u32>,
}

/// Carries it out.
pub(crate) async fn run(args: &Args, client: &Client, output: &Output) -> Result<(), Error> {
    let source = Source::from(args.file.as_os_str());
    let code = source.read()?;
    let body = body(args, &source, &code)?;
    let call = Call::post(Route::v1(["workers"]).with("wait", Some(args.wait))).json(&body).longer(args.wait.0);
    let answer = with_progress(output, "waiting for the verdict on the code", client.call(call)).await?;
    show::worker(output, &answer)
}

fn body(args: &Args, source: &Source, code: &[u8]) -> Result<Map<String, Value>, Error> {
    let mut body = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    let name = args.name.clone().or_else(|| source.stem()?.parse().ok());
    set("name", name.map(|name| json!(name)));
    set("mimeType", source.mime_type(args.mime_type)?.map(|kind| json!(kind)));
    set("topics", Some(json!(args.topics)).filter(|_| !args.topics.is_empty()));
    set("filter", args.filter.as_ref().map(|filter| json!(filter)));
    set("group", args.group.as_ref().map(|group| json!(group)));
    set("replyTopic", args.reply_topic.as_ref().map(|topic| json!(topic)));
    set("ordering", args.ordering.as_ref().map(|order| json!(order)));
    set("tags", pairs(&args.tags));
    set("config", pairs(&args.config));
    set("limits", limits(&args.limits));
    set("start", args.start.then_some(Value::Bool(true)));
    set("codeSource", Some(json!({ "content": STANDARD.encode(code) })));
    Ok(body)
}

fn pairs(pairs: &[Pair]) -> Option<Value> {
    let map: Map<_, _> = pairs.iter().map(|pair| (pair.key.clone(), Value::String(pair.value.clone()))).collect();
    (!map.is_empty()).then_some(Value::Object(map))
}

fn limits(limits: &Limits) -> Option<Value> {
    let fields = [
        ("timeout", limits.timeout.map(|timeout| json!(timeout))),
        ("memory", limits.memory.map(|memory| json!(memory))),
        ("concurrency", limits.concurrency.map(|number| json!(number))),
        ("maxAttempts", limits.max_attempts.map(|number| json!(number))),
    ];
    let map: Map<_, _> = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    (!map.is_empty()).then_some(Value::Object(map))
}
