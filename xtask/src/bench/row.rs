//! One line of an answer.

use std::time::Duration;

/// What was measured of one subject.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// Whose number it is, with its version.
    pub(super) subject: String,
    /// What was measured, with its unit, as in `first answer, ms`.
    pub(super) measure: &'static str,
    /// The median of the samples.
    pub(super) median: f64,
    /// The value that 99 of 100 samples do not exceed; for a rate there is none.
    pub(super) p99: Option<f64>,
    /// How many samples.
    pub(super) n: usize,
    /// The command that was measured.
    pub(super) command: String,
}

impl Row {
    /// A row of samples in milliseconds.
    ///
    /// # Errors
    /// There are no samples.
    pub(super) fn of_times(
        subject: &str,
        measure: &'static str,
        mut samples: Vec<Duration>,
        command: String,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(!samples.is_empty(), "no sample of {subject}");
        samples.sort_unstable();
        let ms = |rank: usize| samples[rank].as_secs_f64() * 1e3;
        let n = samples.len();
        // Nearest rank: the smallest sample that at least 99 % do not exceed.
        let p99 = (n * 99).div_ceil(100) - 1;
        Ok(Self { subject: subject.into(), measure, median: ms((n - 1) / 2), p99: Some(ms(p99)), n, command })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_p99_are_samples_by_rank() {
        let samples = |n: u64| (1..=n).rev().map(Duration::from_millis).collect();
        let row = Row::of_times("a", "b", samples(200), String::new()).unwrap();
        assert_eq!((row.median, row.p99, row.n), (100.0, Some(198.0), 200));
        let one = Row::of_times("a", "b", samples(1), String::new()).unwrap();
        assert_eq!((one.median, one.p99), (1.0, Some(1.0)));
        assert!(Row::of_times("a", "b", Vec::new(), String::new()).is_err());
    }
}
