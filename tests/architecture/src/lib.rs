//! The rules of the house that no compiler holds.
//!
//! A rule is a function from a [`Workspace`] to what breaks it. The files under `tests/` hold each rule
//! against this workspace; beside each rule stands a small workspace that breaks it, so that a rule
//! which has stopped seeing anything is noticed.

pub mod markdown;
pub mod rules;
pub mod rust;
pub mod workspace;

pub use workspace::{Dependency, DependencyKind, File, Package, Violation, Workspace};
