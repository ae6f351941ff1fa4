//! `invoke`: one event run now.

use clap::Args as ClapArgs;
use http::{StatusCode, header};
use workmanager_core_domain::{
    Event,
    event::{InvalidEvent, Mode, STRUCTURED, content_mode, from_binary, from_structured, to_binary, to_structured},
};
use workmanager_core_kit::UuidV7;

use crate::cli::{
    client::{Answer, Call, Client, Route},
    error::Error,
    event::{EventArgs, whole},
    output::{Output, with_progress},
};

/// Longest time a worker may take, and so the longest wait.
const LONGEST: std::time::Duration = std::time::Duration::from_mins(15);

/// Arguments of `invoke`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// Id or name.
    worker: String,
    #[command(flatten)]
    event: EventArgs,
}

/// Carries it out.
pub(crate) async fn run(args: &Args, client: &Client, output: &Output) -> Result<(), Error> {
    let event = args.event.event(&UuidV7)?;
    let call = Call::post(Route::v1(["workers", &args.worker, "invoke"]))
        .headers(to_binary(&event))
        .header(header::ACCEPT, STRUCTURED)
        .data(event.data().bytes.clone())
        .longer(LONGEST);
    let answer = with_progress(output, "waiting for the reply", client.call(call)).await?;
    if answer.status == StatusCode::NO_CONTENT {
        if output.is_json() { output.json(b"null") } else { output.print("no reply") }
    } else {
        show(&reply(&answer).map_err(|error| answer.misunderstood(error))?, output)
    }
}

fn reply(answer: &Answer) -> Result<Event, InvalidEvent> {
    let content_type = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match content_mode(content_type)? {
        Mode::Structured => from_structured(&answer.body),
        Mode::Binary => from_binary(&answer.headers, answer.body.clone()),
        Mode::Batch => Err(InvalidEvent::ContentType("a batch".to_owned())),
    }
}

fn show(reply: &Event, output: &Output) -> Result<(), Error> {
    if output.is_json() {
        output.json(&to_structured(reply).map_err(Error::Event)?)
    } else {
        output.print(&whole(reply, output.style))
    }
}
