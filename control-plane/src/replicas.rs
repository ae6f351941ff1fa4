//! Several control planes on one store and one bus: they share the events, tell each other what changed,
//! and take over what one of them leaves behind.

mod announce;
mod follow;
mod leases;
mod membership;

pub use announce::Announcing;
pub use follow::follow;
pub use leases::hand_on;
pub use membership::Membership;
