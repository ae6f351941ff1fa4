//! The outside: REST and, on a listener of its own, the code that functions fetch.
