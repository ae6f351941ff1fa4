//! A sign of life while something takes long.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use super::Output;

/// What takes less is not worth a word.
const PATIENCE: Duration = Duration::from_millis(400);
const STEP: Duration = Duration::from_millis(100);
const FRAMES: [&str; 4] = ["-", "\\", "|", "/"];

/// Waits for `work`, and says on a terminal what is waited for.
pub(crate) async fn with_progress<T>(output: &Output, what: &str, work: impl Future<Output = T>) -> T {
    if !output.watched {
        return work.await;
    }
    let start = Instant::now();
    let mut work = std::pin::pin!(work);
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
        return done;
    }
    let mut frames = FRAMES.iter().cycle();
    loop {
        let frame = frames.next().unwrap_or(&FRAMES[0]);
        output.progress(&output.aside.dim(&format!("{frame} {what} ({} s)", start.elapsed().as_secs())));
        if let Ok(done) = tokio::time::timeout(STEP, &mut work).await {
            output.progress("");
            return done;
        }
    }
}
