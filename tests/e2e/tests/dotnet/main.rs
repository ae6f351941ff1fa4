//! C# and .NET workers as their authors see them: by the real programs, with a real CoreCLR and a real Roslyn.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod artefacts;
mod compiling;
mod dev;
mod doctor;
mod harm;
mod offers;
mod reload;
