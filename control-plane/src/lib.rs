//! The control plane: saves worker definitions, owns the topics' subscriptions, and routes each event
//! to a function.

pub mod api;
pub mod app;
pub mod cli;
pub mod dedicated;
pub mod feed;
pub mod grant;
pub mod logs;
pub mod platform;
pub mod replicas;
pub mod router;
pub mod serve;
