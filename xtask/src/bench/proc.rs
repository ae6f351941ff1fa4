//! What the kernel says of processes.

use std::{collections::HashMap, fs, time::Duration};

/// Of the counts in `/proc/PID/stat`, on every Linux that Rust runs on.
const TICKS_A_SECOND: u64 = 100;

/// A process and those that come from it.
pub(super) fn family(of: u32) -> anyhow::Result<Vec<u32>> {
    let mut parents = HashMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        parents.extend(stat(pid).and_then(|fields| Some((pid, u32::try_from(*fields.first()?).ok()?))));
    }
    let line = |mut pid: u32| {
        while pid != of {
            match parents.get(&pid) {
                Some(parent) => pid = *parent,
                None => return false,
            }
        }
        true
    };
    Ok(parents.keys().copied().filter(|pid| line(*pid)).collect())
}

/// The processor's time that a process, those that come from it, and their ended children have used.
pub(super) fn used(by: u32) -> anyhow::Result<Duration> {
    let times = |pid| stat(pid).map_or(0, |fields| fields.get(10..14).map_or(0, |times| times.iter().sum()));
    let ticks: u64 = family(by)?.into_iter().map(times).sum();
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_A_SECOND))
}

/// The numbers of `/proc/PID/stat` from the parent on; nothing if the process has ended meanwhile.
fn stat(pid: u32) -> Option<Vec<u64>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.split_whitespace().skip(1).map(|field| field.parse().unwrap_or(0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_of_its_own_family_and_has_used_time() {
        let us = std::process::id();
        assert!(family(us).unwrap().contains(&us));
        let before = used(us).unwrap();
        let mut sum = 0_u64;
        while used(us).unwrap() == before {
            sum = (0..1_000_000).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
        }
    }
}
