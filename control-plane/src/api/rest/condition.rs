//! `ETag` and `If-Match`: the revision of a worker's record.

use http::{HeaderMap, HeaderValue, header};
use workmanager_core_domain::ports::Revision;

use crate::{
    api::error::Error,
    app::{Condition, Problems},
};

/// The entity tag of a revision.
pub(super) fn tag(revision: Revision) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("\"{revision}\"")).ok()
}

/// What `If-Match` asks for. A tag that is none of ours is a revision that nobody has.
pub(super) fn of(headers: &HeaderMap) -> Result<Condition, Error> {
    let mut wanted = Vec::new();
    let mut given = false;
    for value in headers.get_all(header::IF_MATCH) {
        given = true;
        let text = value.to_str().map_err(|_| malformed())?;
        if text.trim() == "*" {
            return Ok(Condition::Any);
        }
        for tag in text.split(',').map(str::trim) {
            let (weak, tag) = tag.strip_prefix("W/").map_or((false, tag), |tag| (true, tag));
            let opaque = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            let opaque = opaque.filter(|tag| !tag.contains('"')).ok_or_else(malformed)?;
            // Weak tags never match here.
            if !weak {
                wanted.extend(opaque.parse().ok().map(Revision));
            }
        }
    }
    Ok(if given { Condition::OneOf(wanted) } else { Condition::Any })
}

fn malformed() -> Error {
    Problems::one("if-match", "must be entity tags as in \"7\", or *").into()
}
