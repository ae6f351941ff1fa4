//! The seams behind which stores, buses and the outside world live. A trait is here only if two real
//! implementations exist or a process boundary lies behind it.
//!
//! Every store operation touches one record by key with compare-and-swap, or reads a page of an index
//! that the adapter owns and can rebuild. No transaction over several keys is assumed; [`Bus::settle`]
//! is the one place where an adapter may do better.

mod blobs;
mod bus;
mod clock;
mod records;
mod services;

pub use blobs::Blobs;
pub use bus::{
    Bus, BusError, Delivery, DeliveryToken, Put, Removal, SettleError, Settlement, Subscription, TailCapability,
    TailStream, Tailed,
};
pub use clock::{Clock, Ids};
pub use records::{Collection, Expect, Key, Page, Record, Records, Revision, StoreError};
pub use services::{OwnService, ServiceError, ServiceState, Services};
