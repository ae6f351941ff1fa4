//! The delivery rules: which worker gets an event, what follows from an attempt, and in which order
//! things become durable. Used by the router and by the Lambda function alike; the outside is reached
//! through the ports of the domain and through [`Target`].

mod filter;
mod roster;
mod target;

pub use filter::{EvaluationError, Filter, Input, InvalidFilter, MAX_FILTER};
pub use roster::{Member, Roster, Snapshot};
pub use target::{Candidate, Reach, Target, TargetError, Verdict};
