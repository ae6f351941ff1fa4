//! The whole way through Dapr: an event on a topic, its reply on another, each in Redis before it counts. Beside the
//! frameworks that people write such handlers with, and beside a client that does nothing else; each has a Redis and a
//! sidecar of its own, with the same settings.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use super::{
    Row, Setting,
    broker::{Broker, Sidecar},
    http::{self, Program},
    load, ours, proc,
};

const DAPR: &str = "dapr==1.18.3";
const FASTAPI: [&str; 4] = [DAPR, "dapr-ext-fastapi==1.18.3", "fastapi==0.165.0", "uvicorn==0.54.0"];
const FLASK: [&str; 3] = [DAPR, "flask-dapr==1.18.3", "flask==3.1.3"];
/// Events of 1 KB in a call that publishes many.
const BATCH: usize = 100;
/// Attempts at a time of our worker. Uvicorn does 40, and the sidecar hands out 100.
const CONCURRENCY: u32 = 32;
/// Events that are not counted at either end of a flood.
const EDGE: usize = 10;

/// Somebody who answers the events on `orders` with one on `replies`.
struct Subject {
    name: String,
    start: Start,
    command: &'static str,
}

/// Starts it on a broker.
type Start = Box<dyn Fn(&Broker) -> anyhow::Result<Running>>;

struct Running {
    /// Its processes come from this one.
    program: Program,
    _sidecar: Sidecar,
    _folder: tempfile::TempDir,
}

/// How many events a second, what of the processor's time each took, and how long one takes.
pub(super) fn dapr(setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    let (events, paced) = if setting.quick { (500, 50) } else { (5_000, 1_000) };
    let subjects = [bare_client()?, workmanager()?, fastapi(setting)?, flask(setting)?];
    let mut rows = Vec::new();
    for subject in &subjects {
        rows.extend(flood(setting, subject, events)?);
    }
    for subject in &subjects {
        rows.push(latency(setting, subject, paced)?);
    }
    Ok(rows)
}

/// Events that are there already, as fast as they can be answered.
fn flood(setting: &Setting<'_>, subject: &Subject, events: usize) -> anyhow::Result<[Row; 2]> {
    let broker = Broker::start(setting)?;
    let publisher = broker.sidecar("publisher")?;
    for first in (0..events).step_by(BATCH) {
        publish(&publisher, first..(first + BATCH).min(events))?;
    }
    let mut replies = broker.read("replies")?;
    let running = (subject.start)(&broker)?;
    let (edge, mut seen, mut from) = (events / EDGE, 0, None);
    let mut to = None;
    while seen < events {
        let some = replies.next(http::PATIENCE)?.len();
        anyhow::ensure!(some > 0, "{} answered {seen} of {events} events", subject.name);
        seen += some;
        let now = || anyhow::Ok((seen, Instant::now(), proc::used(running.program.0.id())?));
        if from.is_none() && seen >= edge {
            from = Some(now()?);
        }
        if to.is_none() && seen >= events - edge {
            to = Some(now()?);
        }
    }
    let ((first, begun, before), (last, ended, after)) = from.zip(to).context("too few events")?;
    let n = last - first;
    anyhow::ensure!(n > 0, "too few events to measure");
    let row = |measure, median| Row {
        subject: subject.name.clone(),
        measure,
        median,
        p99: None,
        n,
        command: subject.command.to_owned(),
    };
    Ok([
        row("replies/s", n as f64 / (ended - begun).as_secs_f64()),
        row("its processes' time of the processor, ms an event", (after - before).as_secs_f64() * 1e3 / n as f64),
    ])
}

/// From the publication of one event to its reply, with nothing else to do.
fn latency(setting: &Setting<'_>, subject: &Subject, events: usize) -> anyhow::Result<Row> {
    let broker = Broker::start(setting)?;
    let publisher = broker.sidecar("publisher")?;
    let mut replies = broker.read("replies")?;
    let _running = (subject.start)(&broker)?;
    let (mut samples, warm) = (Vec::with_capacity(events), events / EDGE);
    for number in 0..events + warm {
        let start = Instant::now();
        publish(&publisher, number..number + 1)?;
        let mut is_answered = false;
        while !is_answered {
            let some = replies.next(http::PATIENCE)?;
            anyhow::ensure!(!some.is_empty(), "{} did not answer event {number}", subject.name);
            is_answered = some.iter().any(|event| event["data"]["number"] == number);
        }
        // The first ones find nothing warm.
        if number >= warm {
            samples.push(start.elapsed());
        }
        thread::park_timeout(Duration::from_millis(5));
    }
    Row::of_times(&subject.name, "publish to reply, one at a time, ms", samples, subject.command.to_owned())
}

fn publish(to: &Sidecar, numbers: std::ops::Range<usize>) -> anyhow::Result<()> {
    let text = "x".repeat(1_000);
    let entry = |number: usize| {
        let entry = number.to_string();
        serde_json::json!({
            "entryId": entry, "contentType": "application/json", "event": {"number": number, "text": text},
        })
    };
    let body = serde_json::Value::from_iter(numbers.map(entry)).to_string();
    let line = "POST /v1.0-alpha1/publish/bulk/pubsub/orders";
    http::ask(to.http, line, "content-type: application/json\r\n", &body, 204).map(drop)
}

fn bare_client() -> anyhow::Result<Subject> {
    let binary = ours::built("bare_client")?;
    let start = move |broker: &Broker| {
        let sidecar = broker.sidecar("bare")?;
        let mut command = Command::new(&binary);
        command.args([&sidecar.grpc.port().to_string(), "orders", "replies"]);
        running(command, sidecar, tempfile::tempdir()?)
    };
    Ok(Subject { name: "bare client".to_owned(), start: Box::new(start), command: "bare_client PORT orders replies" })
}

fn workmanager() -> anyhow::Result<Subject> {
    let binary = ours::built("workmanager")?;
    let start = move |broker: &Broker| {
        let (sidecar, folder) = (broker.sidecar("workmanager")?, tempfile::tempdir()?);
        let (mut command, server) = ours::control_plane(&binary, "serve", folder.path())?;
        command.args(["--log", "error", "--profile", "dapr"]);
        command.args(["--dapr-grpc-port", &sidecar.grpc.port().to_string()]);
        let running = running(command, sidecar, folder)?;
        http::until("the program is ready", || http::ask(server, "GET /readyz", "", "", 200).is_ok())?;
        load::create_echo(server, CONCURRENCY)?;
        Ok(running)
    };
    let name = format!("workmanager, Python, concurrency {CONCURRENCY}");
    Ok(Subject { name, start: Box::new(start), command: "workmanager serve --profile dapr" })
}

/// A client waits for the sidecar, and the sidecar for the app: so it is made for the first event. `def`, not
/// `async def`, which would do one event at a time.
const FASTAPI_SOURCE: &str = "import functools, json
from dapr.clients import DaprClient
from dapr.ext.fastapi import DaprApp
from fastapi import Body, FastAPI

app = FastAPI()
client = functools.cache(DaprClient)

@DaprApp(app).subscribe(pubsub='pubsub', topic='orders')
def answer(event=Body()):
    client().publish_event('pubsub', 'replies', json.dumps(event['data']), data_content_type='application/json')
";

const FLASK_SOURCE: &str = "import functools, json, sys
from dapr.clients import DaprClient
from flask import Flask, request
from flask_dapr import DaprApp

app = Flask('answers')
client = functools.cache(DaprClient)

@DaprApp(app).subscribe(pubsub='pubsub', topic='orders')
def answer():
    event = json.loads(request.data)
    client().publish_event('pubsub', 'replies', json.dumps(event['data']), data_content_type='application/json')
    return '', 200

app.run(port=int(sys.argv[1]))
";

fn fastapi(setting: &Setting<'_>) -> anyhow::Result<Subject> {
    let venv = setting.tools.venv(&FASTAPI)?;
    framework(FASTAPI[1], FASTAPI_SOURCE, "uvicorn main:app", move |port| {
        let mut command = Command::new(venv.join("bin/uvicorn"));
        command.args(["main:app", "--log-level", "error", "--port", &port.to_string()]);
        command
    })
}

fn flask(setting: &Setting<'_>) -> anyhow::Result<Subject> {
    let venv = setting.tools.venv(&FLASK)?;
    framework(FLASK[1], FLASK_SOURCE, "python main.py", move |port| {
        let mut command = Command::new(venv.join("bin/python"));
        command.args(["main.py", &port.to_string()]);
        command
    })
}

/// A handler that the sidecar calls. It must be there before the sidecar, whose port it must know.
fn framework(
    name: &str,
    source: &'static str,
    shown: &'static str,
    command: impl Fn(u16) -> Command + 'static,
) -> anyhow::Result<Subject> {
    let start = move |broker: &Broker| {
        let (folder, [app, _], ports) = (tempfile::tempdir()?, http::free_ports()?, http::free_ports()?);
        fs::write(folder.path().join("main.py"), source)?;
        let mut command = command(app.port());
        command.current_dir(folder.path());
        for (name, address) in ["DAPR_HTTP_PORT", "DAPR_GRPC_PORT"].into_iter().zip(ports) {
            command.env(name, address.port().to_string());
        }
        let program = spawn(command)?;
        let sidecar = broker.sidecar_on(ports, "handler", Some(app))?;
        Ok(Running { program, _sidecar: sidecar, _folder: folder })
    };
    Ok(Subject { name: name.to_owned(), start: Box::new(start), command: shown })
}

fn running(command: Command, sidecar: Sidecar, folder: tempfile::TempDir) -> anyhow::Result<Running> {
    Ok(Running { program: spawn(command)?, _sidecar: sidecar, _folder: folder })
}

fn spawn(mut command: Command) -> anyhow::Result<Program> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let program = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    Ok(Program(program))
}
