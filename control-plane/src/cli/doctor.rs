//! `doctor`: what this machine needs, and whether the server is well. One line per check.

mod machine;
mod server;

pub use machine::{DotnetPlaces, LookForDotnet};

use clap::Args as ClapArgs;
use serde::Serialize;
use serde_json::json;

use super::{
    client::Client,
    error::Error,
    exit::Exit,
    output::{Output, plain, with_progress},
};

/// Arguments of `doctor`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    machine: machine::Machine,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but look at it.
    Warn,
    /// Something will not work.
    Fail,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    name: String,
    verdict: Verdict,
    message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Check {
    fn new(verdict: Verdict, name: &str, message: impl Into<String>, advice: Option<String>) -> Self {
        Self { name: name.to_owned(), verdict, message: message.into(), advice }
    }

    fn ok(name: &str, message: impl Into<String>) -> Self {
        Self::new(Verdict::Ok, name, message, None)
    }

    fn warn(name: &str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Verdict::Warn, name, message, Some(advice.into()))
    }

    fn fail(name: &str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Verdict::Fail, name, message, Some(advice.into()))
    }
}

/// Makes the checks. Fails if one of them does.
pub(crate) async fn run(args: &Args, client: &Client, output: &Output, look: LookForDotnet) -> Result<(), Error> {
    let checks = with_progress(output, "looking", async {
        let (mut checks, running) = server::checks(client).await;
        checks.extend(machine::checks(&args.machine, running, look).await);
        checks
    })
    .await;
    show(&checks, output)?;
    let failed = checks.iter().filter(|check| check.verdict == Verdict::Fail).count();
    if failed == 0 { Ok(()) } else { Err(Error::Some { failed, all: checks.len(), first: Exit::Failure }) }
}

fn show(checks: &[Check], output: &Output) -> Result<(), Error> {
    if output.is_json() {
        return output.json(json!({ "checks": checks }).to_string().as_bytes());
    }
    for check in checks {
        let word = match check.verdict {
            Verdict::Ok => output.style.green("ok  "),
            Verdict::Warn => output.style.yellow("warn"),
            Verdict::Fail => output.style.red("fail"),
        };
        let advice = check.advice.as_ref().map(|advice| format!("; {advice}")).unwrap_or_default();
        output.print(&format!("{word}  {:<14}  {}{}", check.name, plain(&check.message), plain(&advice)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
