//! `docs/errors.md` explains every code, with its status, and no code that there is not.

use std::{collections::BTreeMap, path::PathBuf};

use workmanager_adapters_embedded::Error as Embedded;
use workmanager_control_plane::{
    api::{InvalidOptions, error::row},
    app::Code,
    router::NotSettled,
};
use workmanager_core_delivery::TargetError;
use workmanager_core_domain::{
    ErrorKind, Outcome,
    event::InvalidEvent,
    outcome::FailureKind,
    ports::{BusError, StoreError},
};

/// One of each, in a list that does not compile any more when one is missing.
macro_rules! each {
    ($type:ty { $($pattern:pat => $value:expr),* $(,)? }) => {{
        #[expect(dead_code, reason = "it only has to compile")]
        fn all(value: &$type) { match value { $($pattern => {})* } }
        vec![$($value),*]
    }};
}

fn text() -> String {
    "x".to_owned()
}

fn events() -> Vec<InvalidEvent> {
    each!(InvalidEvent {
        InvalidEvent::Json { .. } => InvalidEvent::Json { message: text() },
        InvalidEvent::TooDeep { .. } => InvalidEvent::TooDeep { limit: 1 },
        InvalidEvent::Utf8 { .. } => InvalidEvent::Utf8 { what: text() },
        InvalidEvent::Missing { .. } => InvalidEvent::Missing { name: "x" },
        InvalidEvent::Attribute { .. } => InvalidEvent::Attribute { name: text(), reason: "x" },
        InvalidEvent::SpecVersion { .. } => InvalidEvent::SpecVersion { found: text() },
        InvalidEvent::ContentType(_) => InvalidEvent::ContentType(text()),
        InvalidEvent::TooLarge { .. } => InvalidEvent::TooLarge { size: 1, limit: 1 },
    })
}

fn stores() -> Vec<StoreError> {
    each!(StoreError {
        StoreError::Conflict { .. } => StoreError::Conflict { key: text() },
        StoreError::Unavailable { .. } => StoreError::Unavailable { reason: text() },
        StoreError::Timeout => StoreError::Timeout,
        StoreError::Full => StoreError::Full,
        StoreError::Damaged { .. } => StoreError::Damaged { key: text(), reason: text() },
    })
}

fn buses() -> Vec<BusError> {
    each!(BusError {
        BusError::Unavailable { .. } => BusError::Unavailable { reason: text() },
        BusError::Timeout => BusError::Timeout,
        BusError::Full => BusError::Full,
        BusError::Unsupported(_) => BusError::Unsupported("x"),
    })
}

fn targets() -> Vec<TargetError> {
    each!(TargetError {
        TargetError::Unavailable { .. } => TargetError::Unavailable { reason: text() },
        TargetError::NoEngine { .. } => TargetError::NoEngine { mime_type: text(), reason: text() },
    })
}

fn failures() -> Vec<FailureKind> {
    each!(FailureKind {
        FailureKind::Exception => FailureKind::Exception,
        FailureKind::LoadFailed => FailureKind::LoadFailed,
        FailureKind::ArtefactMissing => FailureKind::ArtefactMissing,
        FailureKind::InvalidReply => FailureKind::InvalidReply,
        FailureKind::InvalidEvent => FailureKind::InvalidEvent,
        FailureKind::OutOfMemory => FailureKind::OutOfMemory,
        FailureKind::ReplyTooLarge => FailureKind::ReplyTooLarge,
        FailureKind::VersionUnavailable => FailureKind::VersionUnavailable,
        FailureKind::GrantRefused => FailureKind::GrantRefused,
        FailureKind::Protocol => FailureKind::Protocol,
    })
}

fn outcomes() -> Vec<Outcome> {
    vec![
        Outcome::Overloaded { message: text() },
        Outcome::EngineLost { message: text() },
        Outcome::TimedOut { limit: std::time::Duration::ZERO },
        Outcome::Unknown { message: text() },
    ]
}

/// Every code that a caller of the API can meet, and its status where its kind says it.
fn answered() -> BTreeMap<&'static str, Option<u16>> {
    let status = |kind: ErrorKind| Some(row(kind).status.as_u16());
    let mut codes = BTreeMap::new();
    for kind in failures() {
        codes.insert(kind.code(), None);
    }
    codes.extend(outcomes().iter().map(|outcome| (outcome.code(), None)));
    codes.extend(events().iter().map(|error| (error.code(), status(error.kind()))));
    codes.extend(stores().iter().map(|error| (error.code(), status(error.kind()))));
    codes.extend(buses().iter().map(|error| (error.code(), status(error.kind()))));
    codes.extend(targets().iter().map(|error| (error.code(), status(error.kind()))));
    let not_settled = NotSettled { topic: "t".parse().unwrap(), reason: text() };
    codes.insert(not_settled.code(), status(not_settled.kind()));
    for code in Code::ALL {
        let own = if *code == Code::MethodNotAllowed { Some(405) } else { status(code.kind()) };
        codes.insert(code.as_str(), own);
    }
    // The listener for functions refuses a grant; a function that does so is not there for callers.
    codes.insert(Code::GrantRefused.as_str(), None);
    codes
}

/// Every code that a program can end with before it serves.
fn at_the_start() -> Vec<&'static str> {
    let options = each!(InvalidOptions {
        InvalidOptions::OpenToAll { .. } => InvalidOptions::OpenToAll { host: [0, 0, 0, 0].into() },
        InvalidOptions::Bind { .. } => InvalidOptions::Bind {
            address: ([0, 0, 0, 0], 0).into(), option: "x", source: std::io::ErrorKind::Other.into(),
        },
    });
    let path = PathBuf::new;
    let stores = [
        Embedded::InUse { directory: path(), holder: None },
        Embedded::Directory { path: path(), source: std::io::ErrorKind::Other.into() },
        Embedded::Newer { path: path(), found: 2, known: 1 },
    ];
    let mut codes: Vec<_> = options.iter().map(InvalidOptions::code).collect();
    codes.extend(stores.iter().map(Embedded::code));
    codes.extend([
        "cluster-unusable",
        "database-unreadable",
        "function-unavailable",
        "sidecar-not-started",
        "retention-too-short",
        "sidecar-unusable",
    ]);
    codes.push("system");
    codes
}

/// The rows of the tables: code, status, meaning, what to do. The function's own come last, and are held
/// by its tests.
fn rows() -> BTreeMap<String, Vec<String>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    let document = std::fs::read_to_string(path).unwrap();
    let ours = document.lines().take_while(|line| *line != "## A function process");
    let rows = ours.filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "));
    rows.map(|(code, rest)| (code.to_owned(), rest.split(" | ").map(str::to_owned).collect())).collect()
}

#[test]
fn every_code_is_explained_with_its_status_and_what_to_do() {
    let rows = rows();
    for (code, status) in answered() {
        let row = rows.get(code).unwrap_or_else(|| panic!("docs/errors.md does not explain `{code}`"));
        assert_eq!(row.len(), 3, "`{code}` has status, meaning and what to do: {row:?}");
        if let Some(status) = status {
            assert_eq!(row[0], status.to_string(), "the status of `{code}`");
        }
        assert!(row[1].len() >= 10 && row[2].len() >= 10, "`{code}`: {row:?}");
    }
    for code in at_the_start() {
        assert!(rows.contains_key(code), "docs/errors.md does not explain `{code}`");
    }
}

#[test]
fn no_code_is_explained_that_there_is_not() {
    let (answered, at_the_start) = (answered(), at_the_start());
    for code in rows().keys() {
        assert!(answered.contains_key(code.as_str()) || at_the_start.contains(&code.as_str()), "`{code}` is no code");
    }
}

#[test]
fn what_may_be_tried_again_is_what_says_so() {
    for kind in [ErrorKind::Overloaded, ErrorKind::Unavailable, ErrorKind::Timeout] {
        assert!(row(kind).retryable && row(kind).status.is_server_error(), "{kind:?}");
    }
    for kind in
        [ErrorKind::Invalid, ErrorKind::NotFound, ErrorKind::Conflict, ErrorKind::Internal, ErrorKind::WorkerFailed]
    {
        assert!(!row(kind).retryable, "{kind:?}");
    }
}
