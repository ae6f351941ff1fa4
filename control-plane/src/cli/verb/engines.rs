//! `engines`: what can run there.

use clap::Args as ClapArgs;
use serde::Deserialize;
use workmanager_core_domain::EngineInfo;

use crate::cli::{
    client::{Call, Client, Route},
    error::Error,
    output::{Output, Table, with_progress},
};

/// Arguments of `engines`: none of its own.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {}

/// The engines of a server.
#[derive(Debug, Deserialize)]
pub(crate) struct Engines {
    pub(crate) engines: Vec<EngineInfo>,
}

/// Carries it out.
pub(crate) async fn run(_: &Args, client: &Client, output: &Output) -> Result<(), Error> {
    let call = client.call(Call::get(Route::v1(["engines"])));
    let answer = with_progress(output, "asking the functions for their engines", call).await?;
    if output.is_json() {
        return output.json(&answer.body);
    }
    let mut table = Table::new(["TYPE", "LANGUAGE", "RUNTIME", "AVAILABLE", "SANDBOX", "NOTE"]);
    for engine in answer.read::<Engines>()?.engines {
        let available = if engine.available { "yes" } else { "no" }.to_owned();
        let active = engine.sandbox.iter().filter(|mechanism| mechanism.active).count();
        let all = engine.sandbox.len();
        let sandbox = if all == 0 { String::new() } else { format!("{active} of {all}") };
        let (runtime, note) = (engine.runtime.unwrap_or_default(), engine.reason.unwrap_or_default());
        table.row([engine.mime_type.to_string(), engine.language, runtime, available, sandbox, note]);
    }
    output.table(&table)
}
