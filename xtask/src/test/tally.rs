//! What the lines of a test run add up to.

/// Starts a line by which a test says that it did not test anything, and why.
const SKIPPED: &str = "SKIPPED: ";

/// Counts of a whole run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Tests that passed, those that skipped themselves among them.
    pub(super) passed: usize,
    /// Tests that failed.
    pub(super) failed: usize,
    /// Tests that were not run because they are marked so.
    pub(super) ignored: usize,
    /// Why tests skipped themselves.
    pub(super) skipped: Vec<String>,
    /// What failed tests said, line by line, as libtest sums it up.
    pub(super) said: Vec<String>,
    /// The lines that are read are of such a summing-up.
    sums_up: bool,
}

impl Tally {
    /// Takes one line of output in.
    pub(super) fn read(&mut self, line: &str) {
        if let Some((_, reason)) = line.split_once(SKIPPED) {
            self.skipped.push(reason.trim().to_owned());
        }
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            self.sums_up |= line == "failures:";
            if self.sums_up {
                self.said.push(line.to_owned());
            }
            return;
        };
        self.sums_up = false;
        for part in counts.split(';').map(str::trim) {
            let Some((number, what)) = part.split_once(' ') else { continue };
            let Ok(number) = number.parse::<usize>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    /// The skips for want of something that is required.
    pub(super) fn missing(&self, required: &[String]) -> Vec<&str> {
        let names = |reason: &str, tool: &str| {
            reason.split(|c: char| c.is_whitespace() || ",;:`'()".contains(c)).any(|word| word == tool)
        };
        let is_missing = |reason: &&String| required.iter().any(|tool| names(reason, tool.trim()));
        self.skipped.iter().filter(is_missing).map(String::as_str).collect()
    }

    /// The closing line; a skip that is `missing` counts as failed.
    pub(super) fn counted(&self, missing: usize) -> String {
        let passed = self.passed.saturating_sub(self.skipped.len());
        let skipped = self.ignored + self.skipped.len() - missing;
        format!("{passed} passed, {} failed, {skipped} skipped", self.failed + missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test a ... ok",
            "SKIPPED: needs dotnet: it is not on the PATH",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.20s",
            "running 22 tests",
            "failures:",
            "---- b stdout ----",
            "test result: FAILED. 18 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.20s",
        ] {
            tally.read(line);
        }
        tally
    }

    #[test]
    fn results_are_added_up_and_skips_are_no_passes() {
        assert_eq!(tally().counted(0), "20 passed, 4 failed, 2 skipped");
    }

    #[test]
    fn what_failed_tests_said_is_kept_for_the_end() {
        assert_eq!(tally().said, ["failures:", "---- b stdout ----"]);
    }

    #[test]
    fn a_skip_for_want_of_what_is_required_is_a_failure() {
        let tally = tally();
        assert!(tally.missing(&["python3".into(), "net".into()]).is_empty());
        let missing = tally.missing(&["python3".into(), " dotnet".into()]);
        assert_eq!(missing, ["needs dotnet: it is not on the PATH"]);
        assert_eq!(tally.counted(missing.len()), "20 passed, 5 failed, 1 skipped");
    }
}
