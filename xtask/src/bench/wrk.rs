//! Load by wrk, and what it reports.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::Context as _;

/// Sends one CloudEvent in binary mode, again and again.
const SCRIPT: &str = r#"
wrk.method = "POST"
wrk.headers["ce-specversion"] = "1.0"
wrk.headers["ce-id"] = "1"
wrk.headers["ce-source"] = "/bench"
wrk.headers["ce-type"] = "bench"
wrk.headers["content-type"] = "application/json"
wrk.body = "{\"text\":\"" .. string.rep("x", SIZE - 11) .. "\"}"
"#;

/// What wrk saw.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    /// The median latency, in milliseconds.
    pub(super) median: f64,
    /// The 99th percentile, in milliseconds.
    pub(super) p99: f64,
    /// Requests that were answered.
    pub(super) n: usize,
    /// Answers a second.
    pub(super) rate: f64,
}

/// Loads `url` with events of `size` bytes of JSON over this many connections. Returns what was seen and the command.
///
/// # Errors
/// wrk fails, or an answer was not 2xx.
pub(super) fn load(
    wrk: &Path,
    url: &str,
    connections: u32,
    size: usize,
    time: Duration,
) -> anyhow::Result<(Seen, String)> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("event.lua");
    fs::write(&script, format!("local SIZE = {size}\n{SCRIPT}"))?;
    let connections = connections.to_string();
    let time = format!("{}s", time.as_secs());
    let arguments = ["--threads", "1", "--connections", &connections, "--duration", &time, "--latency"];
    let output = Command::new(wrk).args(arguments).arg("--script").arg(&script).arg(url).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    anyhow::ensure!(output.status.success(), "wrk failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    let seen = parse(&text).with_context(|| format!("wrk's report cannot be read:\n{text}"))?;
    anyhow::ensure!(!text.contains("Non-2xx"), "some answers were no success:\n{text}");
    Ok((seen, format!("wrk {} --script event.lua URL", arguments.join(" "))))
}

fn parse(report: &str) -> Option<Seen> {
    let words = |start: &str| report.lines().map(str::trim).find_map(|line| Some(line.strip_prefix(start)?.trim()));
    let n = report.lines().find(|line| line.contains(" requests in "))?.split_whitespace().next()?.parse().ok()?;
    Some(Seen { median: ms(words("50%")?)?, p99: ms(words("99%")?)?, n, rate: words("Requests/sec:")?.parse().ok()? })
}

/// `1.50ms`, `320.00us` or `1.20s`, in milliseconds.
fn ms(text: &str) -> Option<f64> {
    for (unit, factor) in [("us", 1e-3), ("ms", 1.0), ("s", 1e3)] {
        if let Some(Ok(number)) = text.strip_suffix(unit).map(str::parse::<f64>) {
            return Some(number * factor);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read() {
        let report = "Running 5s test @ http://127.0.0.1:1/\n  1 threads and 1 connections\n  Latency Distribution\n     50%  320.00us\n     \
                      75%    1.26ms\n     99%    1.20s \n  4054 requests in 5.00s, 0.93MB read\nRequests/sec:    810.73\n";
        let expected = Seen { median: 0.32, p99: 1200.0, n: 4054, rate: 810.73 };
        assert_eq!(parse(report), Some(expected));
        assert_eq!(parse("unable to connect"), None);
    }
}
