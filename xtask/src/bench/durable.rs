//! The whole way on one machine: publish, worker, reply, all of it on disk before it is acknowledged.

use std::time::{Duration, Instant};

use super::{
    Row, Setting,
    load::{self, CONCURRENCY, Plane},
};

/// How long what was accepted may take to its end.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long a soak keeps events.
const RETENTION: &str = "20s";

fn figure(subject: &str, measure: &'static str, value: f64, n: usize, command: &str) -> Row {
    Row { subject: subject.to_owned(), measure, median: value, p99: None, n, command: command.to_owned() }
}

/// The rate of whole ways, their latency at a moderate rate, and what the control plane holds.
pub(super) fn durable(setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    let n: u64 = if setting.quick { 2_000 } else { 100_000 };
    let plane = Plane::start()?;
    load::paced(plane.server, "warm-up", 200, Duration::from_secs(1))?;
    let before = plane.replies()?;
    let start = Instant::now();
    let (accepted, _) = load::flood(plane.server, "flood", 64, |number| number < n)?;
    plane.replied(before + accepted, PATIENCE)?;
    let rate = accepted as f64 / start.elapsed().as_secs_f64();
    let memory = plane.memory("VmHWM")?;
    let time = if setting.quick { 2 } else { 20 };
    let samples = load::paced(plane.server, "paced", 500, Duration::from_secs(time))?;
    let subject = format!("workmanager serve, one worker, concurrency {CONCURRENCY}");
    let flood = "64 connections, one event of 1 KB a request, until the last reply is durable";
    Ok(vec![
        figure(&subject, "publish to durable reply, events/s", rate, accepted as usize, flood),
        figure(&subject, "control plane, most memory, MiB", memory, 1, flood),
        Row::of_times(
            &subject,
            "publish to reply at 500/s, ms",
            samples,
            "500 events a second, one connection".into(),
        )?,
    ])
}

/// Ten times the load that fills it, and how it comes out of that.
pub(super) fn overload(setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    let plane = Plane::start()?;
    let calm = load::paced(plane.server, "calm", 100, Duration::from_secs(3))?;
    let time = |seconds| Duration::from_secs(if setting.quick { 2 } else { seconds });
    let (peak, _) = during(&plane, "peak", 64, time(15))?;
    let (goodput, lost) = during(&plane, "overload", 640, time(60))?;
    let memory = plane.memory("VmHWM")?;
    let after = load::paced(plane.server, "after", 100, Duration::from_secs(3))?;
    let subject = format!("workmanager serve, one worker, concurrency {CONCURRENCY}");
    let command = "64 connections for 15 s, then 640 for 60 s";
    Ok(vec![
        figure(&subject, "replies/s at 64 connections", peak.0, 1, command),
        figure(&subject, "replies/s at 640 connections", goodput.0, 1, command),
        figure(&subject, "until the backlog was gone, s", goodput.1, 1, command),
        figure(&subject, "accepted and not replied to", lost as f64, 1, command),
        figure(&subject, "control plane, most memory, MiB", memory, 1, command),
        Row::of_times(&subject, "publish to reply before, ms", calm, "100 events a second".into())?,
        Row::of_times(&subject, "publish to reply afterwards, ms", after, "100 events a second".into())?,
    ])
}

/// Replies a second while the load lasts, the time until all are there after it, and how many never came.
fn during(plane: &Plane, name: &str, connections: usize, time: Duration) -> anyhow::Result<((f64, f64), u64)> {
    let (before, start) = (plane.replies()?, Instant::now());
    let (accepted, _) = load::flood(plane.server, name, connections, |_| start.elapsed() < time)?;
    let rate = (plane.replies()? - before) as f64 / start.elapsed().as_secs_f64();
    let end = Instant::now();
    plane.replied(before + accepted, PATIENCE)?;
    Ok(((rate, end.elapsed().as_secs_f64()), (before + accepted).saturating_sub(plane.replies()?)))
}

/// Half load for minutes: what grows? Events are kept so shortly that as many go as come, long before the
/// end.
pub(super) fn soak(setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    let plane = Plane::with(&["--event-retention", RETENTION])?;
    let (rounds, rate) = if setting.quick { (3, 500) } else { (30, 1_500) };
    let (mut memory, mut descriptors, mut processes, mut disk) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        load::paced(plane.server, &format!("soak-{round}"), rate, Duration::from_secs(10))?;
        memory.push(plane.memory("VmRSS")?);
        descriptors.push(plane.descriptors()? as f64);
        processes.push(plane.processes()? as f64);
        disk.push(plane.disk()?);
    }
    let command = format!(
        "events kept {RETENTION}; {rate} events/s for {} s, a look every 10 s; the first third is left out",
        rounds * 10
    );
    let subject = "workmanager serve";
    Ok(vec![
        figure(subject, "memory grows by, MiB/min", slope(&memory), rounds, &command),
        figure(subject, "descriptors grow by, 1/min", slope(&descriptors), rounds, &command),
        figure(subject, "processes grow by, 1/min", slope(&processes), rounds, &command),
        figure(subject, "disk grows by, MiB/min", slope(&disk), rounds, &command),
    ])
}

/// By how much values taken every 10 s grow in a minute: least squares over the last two thirds.
fn slope(values: &[f64]) -> f64 {
    let late = &values[values.len() / 3..];
    let n = late.len() as f64;
    let (mean_x, mean_y) = ((n - 1.0) / 2.0, late.iter().sum::<f64>() / n);
    let sums = late.iter().enumerate().map(|(x, y)| (x as f64 - mean_x, y - mean_y));
    let (above, below) = sums.fold((0.0, 0.0), |(above, below), (x, y)| (above + x * y, below + x * x));
    if below == 0.0 { 0.0 } else { above / below * 6.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_growth_a_minute() {
        let close = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-9, "{found}");
        close(slope(&[9.0, 0.0, 1.0, 2.0, 3.0, 4.0]), 6.0);
        close(slope(&[5.0; 9]), 0.0);
        close(slope(&[1.0]), 0.0);
    }
}
