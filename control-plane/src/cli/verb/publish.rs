//! `publish`: an event onto a topic.

use clap::Args as ClapArgs;
use workmanager_core_domain::{Topic, event::to_binary};
use workmanager_core_kit::UuidV7;

use crate::cli::{
    client::{Call, Client, Route},
    error::Error,
    event::EventArgs,
    output::Output,
    wire::Accepted,
};

/// Arguments of `publish`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// The topic.
    topic: Topic,
    #[command(flatten)]
    event: EventArgs,
}

/// Carries it out.
pub(crate) async fn run(args: &Args, client: &Client, output: &Output) -> Result<(), Error> {
    let event = args.event.event(&UuidV7)?;
    let call = Call::post(Route::v1(["topics", args.topic.as_str(), "events"]))
        .headers(to_binary(&event))
        .data(event.data().bytes.clone());
    let answer = client.call(call).await?;
    if output.is_json() {
        return output.json(&answer.body);
    }
    let accepted: Accepted = answer.read()?;
    output.print(&format!("accepted on {}: {}", args.topic, accepted.accepted.join(", ")))
}
