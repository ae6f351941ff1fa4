//! The bus suite on Redis Streams.

use workmanager_tests_contracts::bus;

use crate::machine::Live;

bus!(Live::redis);
