//! Everything this program prints goes through here.

mod json;
mod progress;
mod style;
mod table;

use std::{
    io::{self, IsTerminal as _, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

pub(crate) use json::{compact, indent};
pub(crate) use progress::with_progress;
pub(crate) use style::{Style, plain};
pub(crate) use table::Table;

use super::{
    error::{Error, causes},
    options::{Display, Format},
};

type Sink = Mutex<Box<dyn Write + Send>>;

/// Standard output and standard error, and how to write to them.
pub(crate) struct Output {
    format: Format,
    /// Colours of standard output.
    pub(crate) style: Style,
    /// Colours of standard error.
    pub(crate) aside: Style,
    /// Whether a person watches standard error.
    pub(crate) watched: bool,
    out: Sink,
    err: Sink,
}

impl Output {
    /// The program's own streams.
    pub(crate) fn new(display: &Display) -> Self {
        let colour = |terminal: bool| Style::new(terminal && display.colour.is_wanted());
        let watched = io::stderr().is_terminal();
        Self {
            format: display.output,
            style: colour(io::stdout().is_terminal()),
            aside: colour(watched),
            watched,
            out: Mutex::new(Box::new(io::stdout())),
            err: Mutex::new(Box::new(io::stderr())),
        }
    }

    /// Other streams, without colour.
    #[cfg(test)]
    pub(crate) fn to(format: Format, out: impl Write + Send + 'static, err: impl Write + Send + 'static) -> Self {
        let (style, aside) = (Style::new(false), Style::new(false));
        let (out, err): (Sink, Sink) = (Mutex::new(Box::new(out)), Mutex::new(Box::new(err)));
        Self { format, style, aside, watched: false, out, err }
    }

    /// Whether a program reads the output.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Writes lines to standard output.
    pub(crate) fn print(&self, text: &str) -> Result<(), Error> {
        self.bytes(text.as_bytes(), b"\n")
    }

    /// Writes bytes to standard output as they are.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<(), Error> {
        self.bytes(bytes, b"")
    }

    fn bytes(&self, bytes: &[u8], end: &[u8]) -> Result<(), Error> {
        let mut out = lock(&self.out);
        out.write_all(bytes).and_then(|()| out.write_all(end)).and_then(|()| out.flush()).map_err(Error::Output)
    }

    /// Writes a table.
    pub(crate) fn table(&self, table: &Table) -> Result<(), Error> {
        self.print(&table.render(self.style))
    }

    /// Writes JSON text, indented.
    pub(crate) fn json(&self, text: &[u8]) -> Result<(), Error> {
        self.bytes(&indent(text), b"\n")
    }

    /// Writes JSON text on one line.
    pub(crate) fn json_line(&self, text: &[u8]) -> Result<(), Error> {
        self.bytes(&compact(text), b"\n")
    }

    /// Tells a person something beside the output: on standard error, where it spoils no pipe.
    pub(crate) fn note(&self, text: &str) {
        // Who closed standard error does not want to hear it.
        let _ = writeln!(lock(&self.err), "{text}");
    }

    /// Overwrites the line of progress on standard error.
    fn progress(&self, text: &str) {
        let mut err = lock(&self.err);
        let _ = write!(err, "\r\x1b[K{text}").and_then(|()| err.flush());
    }

    /// Tells what went wrong and what to do next.
    pub(crate) fn error(&self, error: &Error) {
        let style = self.aside;
        self.note(&format!("{} {}", style.red("error:"), plain(&error.to_string())));
        if let Error::Problem(problem) = error {
            for detail in problem.details() {
                self.note(&format!("  {}", plain(&detail)));
            }
            if !problem.code.is_empty() {
                self.note(&style.dim(&format!("  code: {}", plain(&problem.code))));
            }
        }
        for cause in causes(error) {
            self.note(&format!("  {}", plain(&cause)));
        }
        if let Some(hint) = error.hint() {
            self.note(&format!("{} {}", style.bold("hint:"), plain(&hint)));
        }
    }
}

fn lock(sink: &Sink) -> MutexGuard<'_, Box<dyn Write + Send>> {
    sink.lock().unwrap_or_else(PoisonError::into_inner)
}
