//! The bus suite on Redis Streams and RabbitMQ, and what is left of it in memory.

use workmanager_tests_contracts::{bus, passing};

use crate::machine::{Broker, Dies, Live, Store};

mod on_redis {
    use super::*;

    bus!(Live::redis);
}

mod on_rabbitmq {
    use super::*;

    bus!(Live::rabbit);
}

mod in_memory {
    use super::*;

    async fn fresh() -> Option<Live> {
        Live::new(Store::Memory, Broker::Memory, Dies::Client).await
    }

    passing!(fresh);
}
