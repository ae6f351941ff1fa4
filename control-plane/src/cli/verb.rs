//! The verbs that ask a server.

pub(super) mod create;
pub(super) mod dead_letters;
pub(super) mod engines;
pub(super) mod explain;
pub(super) mod get;
pub(super) mod history;
pub(super) mod invoke;
pub(super) mod lifecycle;
pub(super) mod list;
pub(super) mod load;
pub(super) mod logs;
pub(super) mod publish;
pub(super) mod quarantine;
pub(super) mod show;
pub(super) mod tail;
