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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{options::Format, tests::fake::Buffer};

    async fn waited(watched: bool, work: Duration) -> String {
        let err = Buffer::default();
        let output = Output { watched, ..Output::to(Format::Table, Buffer::default(), err.clone()) };
        assert_eq!(with_progress(&output, "waiting", async { tokio::time::sleep(work).await }).await, ());
        err.text()
    }

    #[tokio::test(start_paused = true)]
    async fn only_long_work_that_somebody_watches_has_a_line_and_takes_it_away() {
        let long = waited(true, Duration::from_secs(2)).await;
        assert!(long.contains("- waiting (0 s)") && long.ends_with("\r\x1b[K"), "{long:?}");
        assert_eq!(waited(true, PATIENCE / 2).await, "");
        assert_eq!(waited(false, Duration::from_secs(2)).await, "");
    }
}
