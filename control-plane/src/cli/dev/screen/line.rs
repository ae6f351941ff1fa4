//! One happening as one line, with what belongs to it indented below.

use std::time::Duration;

use workmanager_core_domain::{Event, Timestamp, Topic};

use crate::{
    cli::{
        event::data_line,
        output::{Style, plain},
    },
    feed::Happening,
};

/// Characters of data that are shown.
const DATA: usize = 120;
const INDENT: &str = "              ";

/// How a line is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Plain,
    Good,
    Warning,
    Bad,
}

/// A line: what kind of thing happened, what it was, and details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    mood: Mood,
    kind: &'static str,
    text: String,
    details: Vec<String>,
}

impl Line {
    fn new(mood: Mood, kind: &'static str, text: String) -> Self {
        Self { mood, kind, text, details: Vec::new() }
    }

    /// Something went well.
    pub(super) fn good(kind: &'static str, text: String) -> Self {
        Self::new(Mood::Good, kind, text)
    }

    /// Something needs a look.
    pub(super) fn warning(kind: &'static str, text: String) -> Self {
        Self::new(Mood::Warning, kind, text)
    }

    /// Something failed.
    pub(super) fn bad(kind: &'static str, text: String) -> Self {
        Self::new(Mood::Bad, kind, text)
    }

    fn plain(kind: &'static str, text: String) -> Self {
        Self::new(Mood::Plain, kind, text)
    }

    /// Adds what belongs to it.
    pub(super) fn detail(&mut self, text: &str) {
        self.details.extend(text.lines().map(str::to_owned));
    }

    /// The text, without a line end. It can be read without colour: the kind says what the colour says.
    pub(super) fn render(&self, now: Timestamp, style: Style) -> String {
        let kind = format!("{:<8}", self.kind);
        let (kind, paint): (String, fn(Style, &str) -> String) = match self.mood {
            Mood::Plain => (kind, |style, text| style.dim(text)),
            Mood::Good => (style.green(&kind), |style, text| style.dim(text)),
            Mood::Warning => (style.yellow(&kind), Style::yellow),
            Mood::Bad => (style.red(&kind), Style::red),
        };
        let mut text = format!("{}  {kind}  {}", style.dim(&time(now)), plain(&self.text));
        for detail in &self.details {
            text.push_str(&format!("\n{INDENT}{}", paint(style, &plain(detail))));
        }
        text
    }
}

/// The time of day in UTC, to the millisecond.
fn time(now: Timestamp) -> String {
    let millis = now.as_micros().div_euclid(1000).rem_euclid(86_400_000);
    let (seconds, millis) = (millis / 1000, millis % 1000);
    format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The line that shows a happening.
pub(super) fn describe(happening: &Happening) -> Line {
    match happening {
        Happening::Accepted { topic, event } => Line::plain("event", format!("{topic}  {}", shown(event))),
        Happening::Attempted { worker, event, id: _, number, outcome, message, stack, duration, logs } => {
            let again = if *number > 1 { format!(", attempt {number}") } else { String::new() };
            let text = format!("{worker}  {outcome} in {} ms{again}  ({})", millis(*duration), event.id());
            let mut line = Line::new(mood(outcome), if mood(outcome) == Mood::Good { "done" } else { "failed" }, text);
            for log in logs {
                line.detail(&format!("| {}", log.text));
            }
            line.detail(message);
            line.detail(stack.as_deref().unwrap_or_default());
            line
        }
        Happening::Replied { worker, topic, event } => {
            let place = topic.as_ref().map_or("no topic", Topic::as_str);
            Line::plain("reply", format!("{worker} -> {place}  {}", shown(event)))
        }
        Happening::DeadLettered { worker, event, reason } => {
            Line::bad("given up", format!("{worker}  on {}: {}", event.id(), reason.code()))
        }
        Happening::FunctionStarted { pid } => Line::plain("function", format!("process {pid} started")),
        Happening::FunctionStopped { pid, reason } => {
            Line::plain("function", format!("process {pid} stopped: {reason}"))
        }
    }
}

fn mood(outcome: &str) -> Mood {
    match outcome {
        "replied" | "no-reply" => Mood::Good,
        "overloaded" => Mood::Warning,
        _ => Mood::Bad,
    }
}

fn shown(event: &Event) -> String {
    let data = data_line(event, DATA);
    format!("{}  {}  {data}", event.kind(), event.id()).trim_end().to_owned()
}

/// Milliseconds, exact where it matters.
fn millis(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1000.0;
    if millis < 10.0 { format!("{millis:.1}") } else { format!("{millis:.0}") }
}

#[cfg(test)]
mod tests;
