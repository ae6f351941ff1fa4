//! Records and blobs on three state stores.

use workmanager_tests_contracts::{blobs, faults, records};

use crate::machine::{Broker, Dies, Live, Store};

mod on_redis {
    use super::*;

    async fn fresh() -> Option<Live> {
        Live::new(Store::Redis, Broker::Memory, Dies::All).await
    }

    records!(fresh);
    blobs!(fresh);
    faults!(fresh);
}

mod on_sqlite {
    use super::*;

    async fn fresh() -> Option<Live> {
        Live::new(Store::Sqlite, Broker::Memory, Dies::All).await
    }

    records!(fresh);
    blobs!(fresh);
    faults!(fresh);
}

/// It keeps nothing over the sidecar's end, so only this process' part dies.
mod in_memory {
    use super::*;

    async fn fresh() -> Option<Live> {
        Live::new(Store::Memory, Broker::Memory, Dies::Client).await
    }

    records!(fresh);
    blobs!(fresh);
    faults!(fresh);
}
