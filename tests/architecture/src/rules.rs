//! One module per idea, one function per rule.

pub mod arrows;
pub mod assembly;
pub mod commands;
pub mod decisions;
pub mod dependencies;
pub mod files;
pub mod links;
pub mod names;
pub mod panics;
pub mod rooms;
pub mod words;

/// The messages that a rule gives for an example.
#[cfg(test)]
fn told(violations: &[crate::Violation]) -> Vec<String> {
    violations.iter().map(ToString::to_string).collect()
}
