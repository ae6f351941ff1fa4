//! What scrolls by.

mod line;

use tokio::sync::broadcast::{Receiver, error::RecvError};
use workmanager_core_domain::ports::Clock as _;
use workmanager_core_kit::SystemClock;

use super::files::{File, Outcome};
use crate::{
    cli::{
        error::{Error, causes},
        options::{Colour, Display, Format},
        output::{Output, plain},
        server::Server,
    },
    feed::Happening,
};
use line::{Line, describe};

/// Writes to the terminal, one happening after the other.
pub(super) struct Screen {
    output: Output,
    clock: SystemClock,
}

impl Screen {
    /// The program's own terminal.
    pub(super) fn new(colour: &Colour) -> Self {
        let display = Display { output: Format::Table, colour: colour.clone() };
        Self { output: Output::new(&display), clock: SystemClock::new() }
    }

    /// Another place to write to.
    #[cfg(test)]
    pub(super) fn to(out: impl std::io::Write + Send + Clone + 'static) -> Self {
        Self { output: Output::to(Format::Table, out.clone(), out), clock: SystemClock::new() }
    }

    fn say(&self, text: &str) {
        // Nobody reads any more: the workers run all the same.
        let _ = self.output.print(text);
    }

    fn line(&self, line: &Line) {
        self.say(&line.render(self.clock.now(), self.output.style));
    }

    /// The first words.
    pub(super) fn hello(&self, server: &Server) {
        self.say(&format!("{} on {server}; times are UTC, Ctrl-C stops it", self.output.style.bold("workmanager dev")));
    }

    /// The last words.
    pub(super) fn goodbye(&self) {
        self.say("stopping; Ctrl-C again does not wait");
    }

    /// Every file is running or has failed: what to do with it.
    pub(super) fn ready(&self, files: &[File], server: &Server) {
        let running = files.iter().find_map(|file| Some((file, file.topics().first()?)));
        if let Some((file, topic)) = running {
            self.say(&try_it(file, topic, server));
        }
    }

    /// What became of a file.
    pub(super) fn deployed(&self, file: &File, outcome: &Outcome) {
        let (name, topics) = (file.name(), file.topics().join(", "));
        match outcome {
            Outcome::Created => self.line(&Line::good("running", format!("{name}  takes {topics}"))),
            Outcome::Unchanged => self.line(&Line::good("running", format!("{name}  takes {topics}  (as before)"))),
            Outcome::Changed(names) => {
                self.line(&Line::good("running", format!("{name}  takes {topics}  (new {})", names.join(", "))));
            }
            Outcome::Failed { error, running } => {
                let kept = running
                    .map_or_else(|| "nothing runs for it".to_owned(), |version| format!("version {version} serves on"));
                let mut line = Line::bad("failed", format!("{name}  from {}; {kept}", file.shown()));
                match error {
                    // The title says no more than the line above.
                    Error::Problem(problem) => {
                        line.detail(problem.said());
                        problem.details().iter().for_each(|detail| line.detail(detail));
                    }
                    other => line.detail(&other.to_string()),
                }
                causes(error).iter().for_each(|cause| line.detail(cause));
                self.line(&line);
            }
        }
    }

    /// Workers that run and are none of the files.
    pub(super) fn others(&self, names: &[String]) {
        if !names.is_empty() {
            let text = format!("{} too, from before; `workmanager stop` or `delete` ends that", names.join(", "));
            self.line(&Line::warning("running", text));
        }
    }

    /// A file is gone.
    pub(super) fn deleted(&self, file: &File) {
        let text = format!("{}  is gone; {} serves on (workmanager delete {1})", file.shown(), file.name());
        self.line(&Line::warning("deleted", text));
    }

    /// Saved files will not be noticed.
    pub(super) fn blind(&self, error: &notify::Error) {
        let mut line =
            Line::warning("watch", "saved files are not noticed; start `dev` again after a change".to_owned());
        line.detail(&error.to_string());
        self.line(&line);
    }

    /// Shows what happens until nothing can happen any more.
    pub(super) async fn show(&self, mut happenings: Receiver<Happening>) {
        loop {
            match happenings.recv().await {
                Ok(happening) => self.line(&describe(&happening)),
                Err(RecvError::Lagged(count)) => {
                    self.line(&Line::warning("skipped", format!("{count} lines: more happens than can be shown")));
                }
                Err(RecvError::Closed) => return,
            }
        }
    }
}

/// Two lines to copy: one that publishes an event, one that shows the replies.
fn try_it(file: &File, topic: &str, server: &Server) -> String {
    let publish = format!(
        "curl -X POST {server}/v1/topics/{topic}/events -H 'content-type: application/json' \
         -H 'ce-specversion: 1.0' -H \"ce-id: $(date +%s%N)\" -H 'ce-source: me' -H 'ce-type: example' \
         -d '{{\"name\": \"World\"}}'"
    );
    let mut text = format!("\ntry {}:\n  {publish}\n", plain(file.name().as_str()));
    if let Some(replies) = file.reply_topic() {
        text.push_str(&format!("  curl -N '{server}/v1/topics/{replies}/events?follow=true&since=0'\n"));
    }
    text
}
