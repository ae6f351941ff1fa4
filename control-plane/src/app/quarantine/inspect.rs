//! A look at every record that people can ask for.

use std::pin::pin;

use futures_util::TryStreamExt as _;
use tracing::warn;
use workmanager_core_domain::{
    Version, Worker,
    dead_letter::DeadLetter,
    document::{self, Document},
    lease::Lease,
    ports::{Collection, Key, Record},
};

use super::{copy, look};
use crate::app::{App, Error, claim::ClaimRecord, name::NameClaim, store};

impl App {
    /// Keeps aside what cannot be read. Event records and parked deliveries are looked at when they are
    /// used: there may be very many.
    pub(super) async fn inspect(&self) -> Result<(), Error> {
        self.inspect_all::<Worker>().await?;
        self.inspect_all::<Version>().await?;
        self.inspect_all::<NameClaim>().await?;
        self.inspect_all::<DeadLetter>().await?;
        self.inspect_all::<Lease>().await?;
        self.inspect_all::<ClaimRecord>().await?;
        self.renew_copies().await
    }

    /// Writes second copies anew that cannot be read, of what can be read.
    async fn renew_copies(&self) -> Result<(), Error> {
        let mut pages = pin!(store::pages(&*self.parts.records, Collection::Copy, None));
        while let Some(page) = pages.try_next().await? {
            for Record { id, value, .. } in page {
                match id.split_once('.') {
                    Some(("worker", of)) if document::decode::<Worker>(&value).is_err() => {
                        self.renew_copy::<Worker>(of).await?;
                    }
                    Some(("version", of)) if document::decode::<Version>(&value).is_err() => {
                        self.renew_copy::<Version>(of).await?;
                    }
                    Some(_) | None => {}
                }
            }
        }
        Ok(())
    }

    async fn renew_copy<T: Document>(&self, id: &str) -> Result<(), Error> {
        let (records, key) = (&*self.parts.records, Key::new(T::COLLECTION, id));
        let record = records.get(&key).await?.filter(|record| document::decode::<T>(&record.value).is_ok());
        if let Some(record) = record {
            warn!("the second copy of `{key}` cannot be read and is written anew");
            copy(records, &key, record.value).await;
        }
        Ok(())
    }

    async fn inspect_all<T: Document>(&self) -> Result<(), Error> {
        let mut pages = pin!(store::pages(&*self.parts.records, T::COLLECTION, None));
        while let Some(page) = pages.try_next().await? {
            for Record { id, value, .. } in page {
                look::<T>(self, &Key::new(T::COLLECTION, id), value).await?;
            }
        }
        Ok(())
    }
}
