//! Workers.

pub(super) mod change;
pub(super) mod code;
pub(super) mod create;
mod input;
pub(super) mod invoke;
pub(super) mod lifecycle;
pub(super) mod list;
pub(super) mod read;
pub(super) mod tags;
mod view;
