//! `logs`: what a worker writes.

use clap::Args as ClapArgs;
use http::header;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::{
    client::{Call, Client, Frame, Route},
    error::Error,
    output::{Output, plain},
};

/// Arguments of `logs`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// Id or name.
    worker: String,
    /// Go on with what comes.
    #[arg(long, short)]
    follow: bool,
}

#[derive(Debug, Deserialize)]
struct Lines {
    lines: Vec<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    time: String,
    event_id: String,
    stream: String,
    text: String,
}

/// Carries it out.
pub(crate) async fn run(args: &Args, client: &Client, output: &Output) -> Result<(), Error> {
    let route = Route::v1(["workers", &args.worker, "logs"]);
    if !args.follow {
        let lines = client.call(Call::get(route)).await?.read::<Lines>()?.lines;
        if lines.is_empty() {
            output.note("no lines are kept; an event's own lines are in `workmanager explain EVENT`");
        }
        return lines.iter().try_for_each(|line| show(line.get(), client, output));
    }
    let call = Call::get(route.with("follow", Some(true))).header(header::ACCEPT, "text/event-stream");
    let mut stream = client.stream(call).await?;
    loop {
        match stream.next().await? {
            Some(Frame::Data { data, .. }) => show(&data, client, output)?,
            Some(Frame::Comment(text)) if text.is_empty() => {}
            Some(Frame::Comment(text)) => output.note(&output.aside.dim(&plain(&text))),
            None => return Err(Error::Ended { server: client.server().clone() }),
        }
    }
}

fn show(line: &str, client: &Client, output: &Output) -> Result<(), Error> {
    if output.is_json() {
        return output.json_line(line.as_bytes());
    }
    let misunderstood =
        |source: serde_json::Error| Error::Answer { server: client.server().clone(), source: source.into() };
    let Line { time, event_id, stream, text } = serde_json::from_str(line).map_err(misunderstood)?;
    let head = output.style.dim(&format!("{time}  {}  {stream:6}", plain(&event_id)));
    output.print(&format!("{head}  {}", plain(&text)))
}
