//! `dev FILE`, from the start of the program to the reply on the tail.

use std::{io::BufRead as _, net::SocketAddr, time::Instant};

use anyhow::Context as _;

use super::{
    Row, Setting,
    http::{self, Program},
    ours,
};

const WORKER: &str =
    "# workmanager: topic=orders\ndef Process(event):\n    return {\"type\": \"done\", \"data\": event[\"data\"]}\n";

/// The start of the program to the reply, with the event published at the first 200 of `/health`.
pub(super) fn dev(setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    let binary = ours::built("workmanager")?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("orders.py");
    std::fs::write(&file, WORKER)?;
    let n = if setting.quick { 2 } else { 20 };
    let mut samples = Vec::new();
    for round in 0..=n {
        let data = folder.path().join(format!("data-{round}"));
        let (mut command, server) = ours::control_plane(&binary, "dev", &data)?;
        command.arg(&file);
        let start = Instant::now();
        let _program = Program(command.spawn()?);
        replied(server)?;
        // The first round is unmeasured: byte code and pages are cached for all others alike.
        if round > 0 {
            samples.push(start.elapsed());
        }
    }
    Ok(vec![Row::of_times("workmanager dev", "start to reply, ms", samples, "workmanager dev orders.py".into())?])
}

fn replied(server: SocketAddr) -> anyhow::Result<()> {
    http::until("the program is healthy", || http::ask(server, "GET /health", "", "", 200).is_ok())?;
    let tail = http::open(server, "GET /v1/topics/replies/events?follow=true&since=0", "", "")?;
    let headers = format!("{}ce-replytopic: replies\r\n", http::EVENT);
    http::ask(server, "POST /v1/topics/orders/events", &headers, "{\"a\":1}", 202)?;
    let mut lines = tail.lines().map_while(Result::ok);
    lines.find(|line| line.starts_with("data:") && line.contains("\"done\"")).context("no reply came").map(drop)
}
