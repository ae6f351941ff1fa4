//! Finds the process for an attempt: the version's code by digest, fetched and verified once; a process
//! that has it loaded, or a new one; and the exchange with it under the attempt's deadline.

mod birth;
mod blobs;
mod code;
mod dispatcher;
mod error;
mod exchange;
mod fetch;
mod lease;
mod metrics;
mod pool;
mod validate;
mod workers;

pub use code::Code;
pub use dispatcher::{Dispatcher, Loaded, Options, Work};
pub use error::Error;
pub use exchange::{Exchange, Step};
pub use metrics::describe;
