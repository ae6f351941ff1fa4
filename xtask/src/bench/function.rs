//! The function process beside its peers: in the same run, on the same cores, taking turns.

use std::time::Duration;

use super::{
    Row, Setting, ours, peers,
    subject::{Running, Subject},
    wrk,
};

/// From the start of a process to its first answer.
pub(super) fn process_cold(setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    let n = if setting.quick { 2 } else { 20 };
    let subjects = [ours::function(1)?, peers::func_python(setting)?, peers::functions_framework(setting)?];
    let mut samples = vec![Vec::new(); subjects.len()];
    for _ in 0..n {
        for (subject, samples) in subjects.iter().zip(&mut samples) {
            samples.push(subject.start()?.first_answer);
        }
    }
    let row = |(subject, samples): (&Subject, Vec<Duration>)| {
        Row::of_times(&subject.name, "start to first answer, ms", samples, subject.shown())
    };
    subjects.iter().zip(samples).map(row).collect()
}

/// Latency over one connection for small and large events, and the rate over many connections.
pub(super) fn warm(setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    let program = setting.tools.wrk()?;
    let time = Duration::from_secs(if setting.quick { 1 } else { 10 });
    let subjects = [ours::bare_echo()?, ours::function(2)?, peers::func_python(setting)?];
    let running: Vec<(&Subject, Running)> =
        subjects.iter().map(|subject| Ok((subject, subject.start()?))).collect::<anyhow::Result<_>>()?;
    let mut rows = Vec::new();
    for (measure, size) in [("200 B over 1 connection, ms", 200), ("64 KiB over 1 connection, ms", 64 << 10)] {
        for (subject, process) in &running {
            // Once unmeasured, so that nobody's first requests count.
            wrk::load(&program, &process.url(), 1, size, Duration::from_secs(1))?;
            let (seen, command) = wrk::load(&program, &process.url(), 1, size, time)?;
            let (subject, p99) = (subject.name.clone(), Some(seen.p99));
            rows.push(Row { subject, measure, median: seen.median, p99, n: seen.n, command });
        }
    }
    for (subject, process) in &running {
        let (seen, command) = wrk::load(&program, &process.url(), 8, 200, time)?;
        let (subject, measure) = (subject.name.clone(), "200 B over 8 connections, answers a second");
        rows.push(Row { subject, measure, median: seen.rate, p99: None, n: seen.n, command });
    }
    Ok(rows)
}
