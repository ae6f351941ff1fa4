//! Events that failed for good: looked at, sent round again, given up.

use std::pin::pin;

use futures_util::TryStreamExt as _;
use workmanager_core_domain::{
    DeadLetterId, Timestamp, Version, WorkerId,
    dead_letter::{DeadLetter, Reason},
    document,
    parked::Pinned,
    ports::{Collection, Expect},
};

use super::{App, Error, store};

/// Letters read at once.
const PAGE: usize = 200;
/// A page ends early when its letters have this many bytes.
const PAGE_BYTES: usize = 8 << 20;
/// Most letters that one call sends round again or gives up.
const MOST: usize = 10_000;

/// Which letters are wanted; all that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// Whose, by id or name.
    pub worker: Option<String>,
    /// Why they failed.
    pub reason: Option<Reason>,
    /// Not older than this.
    pub since: Option<Timestamp>,
    /// Older than this.
    pub until: Option<Timestamp>,
}

/// A letter, and the name of its worker while there is one.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The letter.
    pub letter: DeadLetter,
    /// The worker's name; `None` once it is deleted.
    pub worker: Option<String>,
}

/// A page of letters, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Letters {
    /// The letters.
    pub letters: Vec<Letter>,
    /// Give it to go on.
    pub next: Option<String>,
}

/// What was done with many, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Many {
    /// With which.
    pub ids: Vec<DeadLetterId>,
    /// How many were left as they are because their workers are deleted.
    pub orphaned: usize,
    /// Whether another call finds more.
    pub more: bool,
}

impl App {
    /// At most `limit` letters after `after`, oldest first; fewer if they are large.
    ///
    /// # Errors
    /// `NoWorker` of the filter, or the store's.
    pub async fn letters(&self, filter: &LetterFilter, limit: usize, after: Option<String>) -> Result<Letters, Error> {
        let worker = filter.worker.as_deref().map(|worker| self.worker_of(worker)).transpose()?;
        let (mut found, mut size) = (Vec::new(), 0);
        let mut pages = pin!(store::pages(&*self.parts.records, Collection::DeadLetter, after.map(Into::into)));
        while let Some(page) = pages.try_next().await? {
            for record in page {
                // Damage is for the quarantine to tell.
                let Ok(letter) = document::decode::<DeadLetter>(&record.value) else { continue };
                if !filter.lets_through(&letter, worker) {
                    continue;
                }
                size += record.value.len();
                let id = letter.id.to_string();
                found.push(self.named(letter));
                if found.len() == limit || size >= PAGE_BYTES {
                    return Ok(Letters { letters: found, next: Some(id) });
                }
            }
        }
        Ok(Letters { letters: found, next: None })
    }

    fn worker_of(&self, reference: &str) -> Result<WorkerId, Error> {
        // A deleted worker's letters are still there, under its id.
        reference.parse().or_else(|_| self.find(reference).map(|member| member.worker.id))
    }

    fn named(&self, letter: DeadLetter) -> Letter {
        let snapshot = self.parts.roster.snapshot();
        Letter { worker: snapshot.get(letter.worker).map(|member| member.worker.name.to_string()), letter }
    }

    /// One letter.
    ///
    /// # Errors
    /// `NoLetter`, or the store's.
    pub async fn letter(&self, id: &str) -> Result<Letter, Error> {
        let missing = || Error::NoLetter { id: id.to_owned() };
        let id: DeadLetterId = id.parse().map_err(|_| missing())?;
        let stored = self.read::<DeadLetter>(&id.to_string()).await?;
        Ok(self.named(stored.ok_or_else(missing)?.value))
    }

    /// Sends a letter round again, to version `version` of its worker or the active one.
    ///
    /// # Errors
    /// `NoLetter`, `LetterOrphaned`, `NoVersion`, or the store's.
    pub async fn redrive(&self, id: &str, version: Option<u32>, dry_run: bool) -> Result<Letter, Error> {
        let letter = self.letter(id).await?;
        let pinned = self.pinned(&letter, version).await?;
        if !dry_run {
            self.send_round(letter.letter.worker, letter.letter.id, pinned).await?;
        }
        Ok(letter)
    }

    /// Sends every letter that `filter` lets through round again, but for those of deleted workers. One
    /// call does not take more than some thousand.
    ///
    /// # Errors
    /// As of [`App::redrive`]; those before the one that failed are on their way.
    pub async fn redrive_all(&self, filter: &LetterFilter, dry_run: bool) -> Result<Many, Error> {
        let (mut sent, mut orphaned) = (Vec::new(), 0);
        let owned = |letter: &Letter| {
            orphaned += usize::from(letter.worker.is_none());
            letter.worker.is_some()
        };
        let (letters, more) = self.named_by(filter, owned).await?;
        for (worker, id) in letters {
            let done = if dry_run { Ok(()) } else { self.send_round(worker, id, None).await };
            match done {
                Ok(()) => sent.push(id),
                // Somebody else was first.
                Err(Error::NoLetter { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Many { ids: sent, orphaned, more })
    }

    /// The letters that `filter` and `wanted` let through, some thousand at most, and whether there are more.
    async fn named_by(
        &self,
        filter: &LetterFilter,
        mut wanted: impl FnMut(&Letter) -> bool,
    ) -> Result<(Vec<(WorkerId, DeadLetterId)>, bool), Error> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = self.letters(filter, PAGE, after).await?;
            let letters = page.letters.iter().filter(|letter| wanted(letter));
            found.extend(letters.map(|letter| (letter.letter.worker, letter.letter.id)));
            match page.next {
                Some(next) if found.len() < MOST => after = Some(next),
                more => return Ok((found, more.is_some())),
            }
        }
    }

    async fn pinned(&self, letter: &Letter, version: Option<u32>) -> Result<Option<Pinned>, Error> {
        let orphaned = || Error::LetterOrphaned { id: letter.letter.id.to_string() };
        let worker = letter.worker.clone().ok_or_else(orphaned)?;
        let Some(number) = version else { return Ok(None) };
        let key = Version::key(letter.letter.worker, number);
        let stored = self.read::<Version>(&key).await?;
        let version = stored.ok_or(Error::NoVersion { worker, number })?.value;
        Ok(Some(Pinned { number, digest: version.digest }))
    }

    /// One at a time for a worker, so that no letter is sent round twice.
    async fn send_round(&self, worker: WorkerId, id: DeadLetterId, version: Option<Pinned>) -> Result<(), Error> {
        let app = self.clone();
        self.to_the_end(async move {
            let _sending = app.lock(worker).await;
            let letter = app.letter(&id.to_string()).await?.letter;
            Ok(app.parts.router.redrive(&letter, version).await?)
        })
        .await
    }

    /// Gives a letter up: its event is gone then.
    ///
    /// # Errors
    /// `NoLetter`, or the store's.
    pub async fn give_up(&self, id: &str) -> Result<(), Error> {
        let letter = self.letter(id).await?;
        store::delete::<DeadLetter>(&*self.parts.records, &letter.letter.id.to_string(), Expect::Any).await
    }

    /// Gives up every letter that `filter` lets through. One call does not take more than some thousand.
    ///
    /// # Errors
    /// The store's; those before are gone.
    pub async fn give_up_all(&self, filter: &LetterFilter, dry_run: bool) -> Result<Many, Error> {
        let (letters, more) = self.named_by(filter, |_| true).await?;
        let ids: Vec<_> = letters.into_iter().map(|(_, id)| id).collect();
        if !dry_run {
            for id in &ids {
                store::delete::<DeadLetter>(&*self.parts.records, &id.to_string(), Expect::Any).await?;
            }
        }
        Ok(Many { ids, orphaned: 0, more })
    }
}

impl LetterFilter {
    fn lets_through(&self, letter: &DeadLetter, worker: Option<WorkerId>) -> bool {
        worker.is_none_or(|worker| letter.worker == worker)
            && self.reason.is_none_or(|reason| letter.reason == reason)
            && self.since.is_none_or(|since| letter.at >= since)
            && self.until.is_none_or(|until| letter.at < until)
    }
}
