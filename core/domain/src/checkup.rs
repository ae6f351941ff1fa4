//! What a bus and a store have found out about what they stand on.

use serde::{Deserialize, Serialize};

/// How far the look at it is, as `GET /v1/checkup` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Checkup {
    /// There is nothing to look at: everything is part of this program.
    #[default]
    None,
    /// It goes on.
    Running,
    /// It is over.
    Done {
        /// What was found; nothing if all is as it should be, as far as it shows.
        findings: Vec<Finding>,
    },
    /// It could not be carried out to its end, and is tried again.
    Failed {
        /// What was found before.
        findings: Vec<Finding>,
        /// Why it went no further.
        reason: String,
    },
}

/// Something that should be otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The file that is shipped for it.
    pub file: String,
    /// The line in it.
    pub line: String,
    /// What was seen, and what it leads to.
    pub reason: String,
}
