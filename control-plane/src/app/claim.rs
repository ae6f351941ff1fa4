//! Idempotency keys: a repeated request gets the first one's answer, and one that died on its way is
//! taken up where it was.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use tracing::warn;
use uuid::Uuid;
use workmanager_core_domain::{
    Digest, Timestamp,
    document::{self, Document},
    ports::{Collection, Expect, Revision},
};
use workmanager_core_kit::chain;

use super::{
    App, Error,
    store::{self, Stored, is_conflict},
};

/// How often claims are looked through for old ones.
const SWEEP: Duration = Duration::from_secs(3600);
/// Largest body that is kept in the claim itself; larger ones become blobs.
const INLINE: usize = 256 << 10;
/// Largest blob that a body is cut into.
const PIECE: usize = 32 << 20;

/// A request that may come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Of the caller's key.
    pub key: Digest,
    /// Of everything that makes it this request.
    pub content: Digest,
}

/// A first answer, as it is given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers that belong to it.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// What is to be done with a request that has a key.
pub enum Claimed {
    /// Carry it out.
    First(Hold),
    /// Give this answer.
    Again(Answer),
}

/// A request that is being carried out. Dropped without an answer, it can be tried again, with the same
/// seed.
pub struct Hold {
    app: App,
    key: Held,
    record: ClaimRecord,
    revision: Revision,
}

/// The key is ours until this is dropped.
struct Held {
    id: String,
    held: Arc<Mutex<std::collections::HashSet<String>>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClaimRecord {
    request: Digest,
    seed: Uuid,
    at: Timestamp,
    answer: Option<AnswerRecord>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerRecord {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Body {
    Text(String),
    Pieces(Vec<Digest>),
}

impl Document for ClaimRecord {
    const COLLECTION: Collection = Collection::Claim;
    const SCHEMA: u32 = 1;
}

impl App {
    /// Claims a request's key.
    ///
    /// # Errors
    /// `KeyReused`, `KeyInProgress`, or the store's; nothing was done then.
    pub async fn claim(&self, request: Request) -> Result<Claimed, Error> {
        let key = self.hold(request.key.hex()).ok_or(Error::KeyInProgress)?;
        let records = &*self.parts.records;
        let now = self.parts.clock.now();
        let fresh = ClaimRecord { request: request.content, seed: self.parts.ids.next(), at: now, answer: None };
        let (record, expect) = match store::get::<ClaimRecord>(records, &key.id).await {
            Ok(None) => (fresh, Expect::Absent),
            Ok(Some(Stored { value, revision })) if now.since(value.at) > self.parts.settings.claim_life => {
                drop(value);
                (fresh, Expect::Revision(revision))
            }
            Ok(Some(Stored { value, .. })) if value.request != request.content => return Err(Error::KeyReused),
            Ok(Some(Stored { value: ClaimRecord { answer: Some(answer), .. }, .. })) => {
                return self.again(answer).await.map(Claimed::Again);
            }
            // Begun by a request that is not there any more: its seed leads to what it made, if anything.
            Ok(Some(Stored { value, revision })) => (ClaimRecord { at: now, ..value }, Expect::Revision(revision)),
            Err(error @ Error::Damaged { .. }) => {
                warn!("a damaged idempotency claim is replaced: {error}");
                (fresh, Expect::Any)
            }
            Err(error) => return Err(error),
        };
        match store::put(records, &key.id, &record, expect).await {
            Ok(revision) => Ok(Claimed::First(Hold { app: self.clone(), key, record, revision })),
            Err(error) if is_conflict(&error) => Err(Error::KeyInProgress),
            Err(error) => Err(error),
        }
    }

    fn hold(&self, id: String) -> Option<Held> {
        let fresh = self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        fresh.then(|| Held { id, held: self.held.clone() })
    }

    async fn again(&self, AnswerRecord { status, headers, body }: AnswerRecord) -> Result<Answer, Error> {
        let body = match body {
            Body::Text(text) => text.into(),
            Body::Pieces(pieces) => {
                let mut whole = Vec::new();
                for piece in pieces {
                    let lost = || {
                        Error::Store(workmanager_core_domain::ports::StoreError::Damaged {
                            key: piece.to_string(),
                            reason: "it is part of a first answer, and not there".to_owned(),
                        })
                    };
                    whole.extend_from_slice(&self.parts.blobs.get(&piece).await?.ok_or_else(lost)?);
                }
                whole.into()
            }
        };
        Ok(Answer { status, headers, body })
    }

    async fn kept(&self, body: &Bytes) -> Result<Body, Error> {
        if let Some(text) = std::str::from_utf8(body).ok().filter(|text| text.len() <= INLINE) {
            return Ok(Body::Text(text.to_owned()));
        }
        let mut pieces = Vec::new();
        for start in (0..body.len()).step_by(PIECE) {
            let end = body.len().min(start + PIECE);
            pieces.push(self.parts.blobs.put(body.slice(start..end)).await?);
        }
        Ok(Body::Pieces(pieces))
    }

    /// Removes old claims now and then, until the program stops.
    pub fn keep_house(&self) {
        let (app, stop) = (self.clone(), self.parts.tasks.stopping());
        self.parts.tasks.spawn_infallible(async move {
            while tokio::time::timeout(SWEEP, stop.cancelled()).await.is_err() {
                if let Err(error) = app.sweep_claims().await {
                    warn!("old idempotency claims are not removed: {error}");
                }
            }
        });
    }

    /// Removes claims whose time is over.
    ///
    /// # Errors
    /// The store's.
    pub async fn sweep_claims(&self) -> Result<usize, Error> {
        let (records, now, mut swept) = (&*self.parts.records, self.parts.clock.now(), 0);
        let mut pages = pin!(store::pages(records, Collection::Claim, None));
        while let Some(page) = pages.try_next().await? {
            for record in page {
                match document::decode::<ClaimRecord>(&record.value) {
                    Ok(claim) if now.since(claim.at) <= self.parts.settings.claim_life => continue,
                    Ok(_) => {}
                    Err(damage) => warn!("a damaged idempotency claim is removed: {}", chain(&damage)),
                }
                let expect = Expect::Revision(record.revision);
                match store::delete::<ClaimRecord>(records, &record.id, expect).await {
                    Err(error) if !is_conflict(&error) => return Err(error),
                    Ok(()) | Err(_) => swept += 1,
                }
            }
        }
        Ok(swept)
    }
}

impl Hold {
    /// The same for every try of the same request: identifiers are made of it.
    #[must_use]
    pub const fn seed(&self) -> Uuid {
        self.record.seed
    }

    /// Keeps the answer. If that fails, a repetition is carried out again, with the same seed.
    pub async fn answered(self, Answer { status, headers, body }: &Answer) {
        let Self { app, key, record, revision } = self;
        let kept = async {
            let answer = AnswerRecord { status: *status, headers: headers.clone(), body: app.kept(body).await? };
            let record = ClaimRecord { answer: Some(answer), ..record };
            store::put(&*app.parts.records, &key.id, &record, Expect::Revision(revision)).await
        };
        if let Err(error) = kept.await {
            warn!("the answer to an idempotent request is not kept: {error}");
        }
    }

    /// Nothing was done: the key is free again.
    pub async fn nothing_done(self) {
        let Self { app, key, revision, .. } = self;
        let expect = Expect::Revision(revision);
        if let Err(error) = store::delete::<ClaimRecord>(&*app.parts.records, &key.id, expect).await {
            warn!("the claim of a refused request stays until its time is over: {error}");
        }
    }
}
