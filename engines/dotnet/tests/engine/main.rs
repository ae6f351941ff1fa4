//! The .NET engine with a real CoreCLR and a real Roslyn: what workers can rely on.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod archives;
mod compiling;
mod contract;
mod dependencies;
mod events;
mod failures;
mod life;
mod loading;
mod output;
mod refusals;
mod replies;
mod sandbox;
mod support;
mod ways;
