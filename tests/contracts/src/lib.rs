//! What every store and every bus must do, clause by clause. An adapter's own tests name a fixture and
//! get one test per clause:
//!
//! ```text
//! mod records {
//!     workmanager_tests_contracts::records!(super::Directory::fresh);
//! }
//! ```
//!
//! | Macro | Port | For |
//! | --- | --- | --- |
//! | [`records!`] | `Records` | every store |
//! | [`blobs!`] | `Blobs` | every store |
//! | [`bus!`] | `Bus` | every bus |
//! | [`passing!`] | `Bus` | the part of it that is left where nothing is kept, not for production |
//! | [`exact!`] | `Bus` | a bus that one process has to itself: in order, once, any number open |
//! | [`settlement!`] | `Bus::settle` | a bus and a store in one, whose settlement is one transaction |
//! | [`tail!`] | `Bus::tail` | a bus with the `Log` capability |
//! | [`fresh!`] | `Bus::subscribe`, `Bus::forget` | a bus whose first subscription does not replay history |
//! | [`faults!`] | all | what must hold when the store fails, through [`fault::Faulty`] |
//! | [`whole!`] | all | the same of a settlement that is one transaction, on a bus with the `Log` capability |
//!
//! A fixture is made by an `async fn` that returns `None`, and says so loudly, where the machine lacks a tool.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed clause is a failed test")]

pub mod blobs;
pub mod bus;
pub mod exact;
pub mod fault;
pub mod faults;
mod fixture;
pub mod fresh;
mod list;
pub mod records;
pub mod sample;
pub mod settlement;
pub mod tail;

pub use fixture::{Fixture, within};
