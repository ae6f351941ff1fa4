//! A look at every record that people can ask for.

use workmanager_core_domain::{
    Version, Worker,
    dead_letter::DeadLetter,
    document::Document,
    lease::Lease,
    ports::{Key, Record},
};

use super::{PAGE, look};
use crate::app::{App, Error, claim::ClaimRecord, name::NameClaim};

impl App {
    /// Keeps aside what cannot be read. Event records and parked deliveries are looked at when they are
    /// used: there may be very many.
    pub(super) async fn inspect(&self) -> Result<(), Error> {
        self.inspect_all::<Worker>().await?;
        self.inspect_all::<Version>().await?;
        self.inspect_all::<NameClaim>().await?;
        self.inspect_all::<DeadLetter>().await?;
        self.inspect_all::<Lease>().await?;
        self.inspect_all::<ClaimRecord>().await
    }

    async fn inspect_all<T: Document>(&self) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.parts.records.page(T::COLLECTION, "", after.as_deref(), PAGE).await?;
            for Record { id, value, .. } in page.records {
                look::<T>(self, &Key::new(T::COLLECTION, id), value).await?;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }
}
