//! Colour, and text of others that must not command the terminal.

use std::borrow::Cow;

/// Colours what is for people, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    colour: bool,
}

impl Style {
    /// With colour or without.
    pub(crate) const fn new(colour: bool) -> Self {
        Self { colour }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Something failed.
    pub(crate) fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// Something went well.
    pub(crate) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Something needs a look.
    pub(crate) fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// Something that stands out.
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Something on the side.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }
}

/// Text that others wrote, with control characters shown instead of obeyed, and those that turn the
/// direction of writing. Line ends and tabs stay.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    const TURNS: [char; 3] = ['\u{61c}', '\u{200e}', '\u{200f}'];
    let turns = |c: char| {
        TURNS.contains(&c) || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c)
    };
    let obeyed = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || turns(c);
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if obeyed(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_others_does_not_command_the_terminal() {
        assert_eq!(plain("a\tb\nc"), "a\tb\nc");
        assert_eq!(plain("\x1b[2J\r\u{9b}x"), "\\u{1b}[2J\\r\\u{9b}x");
        assert_eq!(plain("a\u{202e}b\u{2066}c"), "a\\u{202e}b\\u{2066}c");
    }

    #[test]
    fn without_colour_the_text_is_all_there_is() {
        assert_eq!(Style::new(false).red("no"), "no");
        assert_eq!(Style::new(true).red("no"), "\x1b[31mno\x1b[0m");
    }
}
