//! Nothing points into the void.

use crate::{File, Violation, Workspace, markdown};

/// Every relative link of every Markdown file leads to a file or folder, and to a heading if it names one.
#[must_use]
pub fn lead_somewhere(workspace: &Workspace) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in workspace.files_with_ending("md") {
        for link in markdown::links(&file.text) {
            if let Some(reason) = broken(workspace, file, &link.target) {
                violations.push(Violation::new(&file.path, link.line, format!("`{}` {reason}", link.target)));
            }
        }
    }
    violations
}

fn broken(workspace: &Workspace, from: &File, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let path = if path.is_empty() { Some(from.path.clone()) } else { resolve(from.folder(), path) };
    let Some(path) = path.filter(|path| workspace.exists(path)) else { return Some("does not exist".into()) };
    let (page, anchor) = (workspace.file(&path)?, anchor?);
    let known = markdown::anchors(&page.text);
    (!known.iter().any(|heading| heading == anchor)).then(|| format!("names no heading of {path}"))
}

/// The path from the root; `None` if it leaves the workspace.
fn resolve(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{super::told, *};

    #[test]
    fn a_link_into_the_void_is_seen() {
        let text = "[a](../README.md) [b](missing.md) [c](../README.md#the-state) [d](../README.md#no)\n\
                    [e](../../out.md) [f](https://example.com) [g](#here) [h](../docs) [i](../docs/)\n# Here\n";
        let workspace = Workspace::of_files(&[("README.md", "# The state\n"), ("docs/page.md", text)]);
        let expected = [
            "docs/page.md:1: `missing.md` does not exist",
            "docs/page.md:1: `../README.md#no` names no heading of README.md",
            "docs/page.md:2: `../../out.md` does not exist",
        ];
        assert_eq!(told(&lead_somewhere(&workspace)), expected);
    }
}
