//! `tail`: a topic's events as they come.

use bytes::Bytes;
use clap::Args as ClapArgs;
use http::header;
use workmanager_core_domain::{Event, Topic, event::from_structured};

use crate::cli::{
    client::{Call, Client, Frame, Route},
    error::Error,
    event::data_line,
    output::{Output, Style, plain},
};

/// Arguments of `tail`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// The topic.
    topic: Topic,
    /// Show what came after this position too; 0 shows all that is kept [default: only what comes].
    #[arg(long, value_name = "POSITION")]
    since: Option<u64>,
    /// End after so many events [default: never].
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
}

/// Carries it out.
pub(crate) async fn run(args: &Args, client: &Client, output: &Output) -> Result<(), Error> {
    let route =
        Route::v1(["topics", args.topic.as_str(), "events"]).with("follow", Some(true)).with("since", args.since);
    let mut stream = client.stream(Call::get(route).header(header::ACCEPT, "text/event-stream")).await?;
    let mut left = args.limit.unwrap_or(u64::MAX);
    while left > 0 {
        match stream.next().await? {
            Some(Frame::Data { id, data, event }) if event.as_deref().is_none_or(|kind| kind == "message") => {
                show(id.as_deref(), data, output)?;
                left -= 1;
            }
            // That nothing is missing need not be said.
            Some(Frame::Comment(text)) if text.is_empty() || text.starts_with("log:") => {}
            Some(Frame::Comment(text)) => output.note(&output.aside.dim(&plain(&text))),
            Some(Frame::Data { .. }) => {}
            None => return Err(Error::Ended { server: client.server().clone() }),
        }
    }
    Ok(())
}

fn show(position: Option<&str>, data: String, output: &Output) -> Result<(), Error> {
    if output.is_json() {
        return output.json_line(data.as_bytes());
    }
    match from_structured(&Bytes::from(data.clone())) {
        Ok(event) => output.print(&line(position, &event, output.style)),
        // Better shown than lost.
        Err(_) => output.print(&plain(&data)),
    }
}

fn line(position: Option<&str>, event: &Event, style: Style) -> String {
    let position = position.map(|position| style.dim(&format!("{position:>6}  "))).unwrap_or_default();
    let head = format!("{}  {}  {}", style.bold(&plain(event.kind())), plain(event.id()), plain(event.source()));
    format!("{position}{head}  {}", data_line(event, usize::MAX))
}
