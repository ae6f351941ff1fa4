//! The delivery rules: which worker gets an event, what follows from an attempt, and in which order
//! things become durable. Used by the router and by the Lambda function alike; the outside is reached
//! through the ports of the domain and through [`Target`].

mod circuit;
mod deliver;
mod filter;
mod lanes;
mod leases;
mod lot;
mod metrics;
mod plan;
pub mod policy;
pub mod quarantine;
mod record;
mod roster;
pub mod state;
mod target;
mod witness;

pub use circuit::Circuit;
pub use deliver::{Deliveries, Due, Ending, Pending, Ports, Room, Settings};

pub use filter::{EvaluationError, Filter, Input, InvalidFilter, MAX_FILTER};
pub use lot::Parking;
pub use plan::{Decision, Planned, plan};
pub use roster::{Member, MemberFilter, Roster, Snapshot, Standing, StoredFilter};
pub use target::{Artefact, Candidate, Compiled, Reach, Target, TargetError, Verdict};
pub use witness::{Nobody, Sight, Witness};
