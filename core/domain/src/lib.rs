//! What WorkManager talks about: workers, versions, events, attempts, outcomes, and the ports behind
//! which stores and buses live. Nothing here does I/O.

pub mod attempt;
pub mod checkup;
pub mod dead_letter;
pub mod digest;
pub mod document;
pub mod engine;
pub mod event;
pub mod event_record;
pub mod id;
pub mod kind;
pub mod lease;
pub mod limits;
pub mod name;
pub mod outcome;
pub mod parked;
pub mod ports;
pub mod quarantine;
pub mod replica;
pub mod reply;
pub mod subscription;
pub mod time;
pub mod units;
pub mod version;
pub mod worker;

pub use checkup::{Checkup, Finding};
pub use digest::Digest;
pub use engine::EngineInfo;
pub use event::Event;
pub use event_record::EventRecord;
pub use id::{AttemptId, DeadLetterId, WorkerId};
pub use kind::ErrorKind;
pub use limits::Limits;
pub use name::{GroupName, Topic, WorkerName};
pub use outcome::Outcome;
pub use time::Timestamp;
pub use version::{Made, Manifest, MimeType, Version};
pub use worker::Worker;
