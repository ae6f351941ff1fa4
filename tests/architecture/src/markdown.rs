//! Just enough of Markdown to find links, headings and blocks of code.

/// A link and the line on which it stands, from 1 on.
#[derive(Debug, PartialEq, Eq)]
pub struct Link {
    /// From 1 on.
    pub line: usize,
    /// As written between the parentheses.
    pub target: String,
}

/// Every `[text](target)` that is not code.
#[must_use]
pub fn links(text: &str) -> Vec<Link> {
    let mut links = Vec::new();
    for (line, prose) in prose(text) {
        let mut rest = prose.as_str();
        while let Some(open) = rest.find("](") {
            let after = &rest[open + 2..];
            let Some(close) = after.find(')') else { break };
            links.push(Link { line, target: after[..close].trim().to_owned() });
            rest = &after[close..];
        }
    }
    links
}

/// The anchors of a text's headings.
#[must_use]
pub fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The lines outside fenced blocks, with `inline code` blanked.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let parts = line.split('`').enumerate();
            let parts = parts.map(|(at, part)| if at % 2 == 0 { part.to_owned() } else { " ".repeat(part.len()) });
            lines.push((index + 1, parts.collect::<Vec<_>>().join("`")));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_in_prose_alone() {
        let text = "see [a](b.md) and ![c](d.png#e)\n`[f](g.md)`\n```sh\n[h](i.md)\n```\n[j](k.md)\n";
        let found: Vec<_> = links(text).into_iter().map(|link| (link.line, link.target)).collect();
        assert_eq!(found, [(1, "b.md".into()), (1, "d.png#e".into()), (6, "k.md".into())]);
    }

    #[test]
    fn headings_become_anchors() {
        assert_eq!(
            anchors("# The way of `one` event\ntext\n## B1: quick start\n"),
            ["the-way-of-one-event", "b1-quick-start"]
        );
    }
}
