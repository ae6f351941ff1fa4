//! What every engine needs from the process that hosts it: a worker process that speaks frames on its
//! descriptor 3, whose output is only logs, and which is certain to end.

mod channel;
mod child;
mod engine;
mod errand;
mod folders;
mod metrics;
mod orphans;
mod output;
mod process;
mod registry;
#[expect(
    unsafe_code,
    reason = "what happens between fork and exec, and asking the kernel, cannot be said in safe code"
)]
mod sandbox;
mod wiring;

pub use child::{Child, Exit};
pub use engine::{Compiled, Engine, Source, SpawnError};
pub use errand::Errand;
pub use folders::{Folder, Folders};
pub use metrics::describe;
pub use orphans::{Newborn, end_stillborn, own_all_children};
pub use output::Piece;
pub use process::{Ended, Process, Step};
pub use registry::Registry;
pub use sandbox::{Level, Limits as ResourceLimits, Memory, NextProgram, Policy, Sandbox, UnknownLevel, confine};
pub use wiring::{Ours, Theirs, pair};
