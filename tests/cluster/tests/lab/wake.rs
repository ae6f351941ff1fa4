//! Where an event's time goes from its publisher to the broker that has its reply. All clocks are this machine's.

use std::{fmt, time::Duration};

use serde_json::Value;
use workmanager_core_domain::Timestamp;

use crate::scene::{Lab, PATIENCE};

/// One event's way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wake {
    /// From the publisher to the broker that has the reply.
    pub(crate) whole: Duration,
    /// To the router, by Dapr.
    bus: Duration,
    /// From there until the router asks the function.
    router: Duration,
    /// From there until the function has the attempt: Knative, which starts a pod where there is none.
    platform: Duration,
    /// In this time: our process, from its `main` until it listens.
    start: Duration,
    /// Until the function has answered. A new process of the worker had its code, was there, had loaded it.
    function: Duration,
    steps: [Duration; 3],
    /// Until the broker has the reply: Knative's proxies, the router, Dapr.
    back: Duration,
}

impl Wake {
    /// The part that is not the platform's.
    pub(crate) fn ours(&self) -> Duration {
        self.router + self.start + self.function
    }

    /// From the function's receipt of the event to the reply.
    pub(crate) fn received(&self) -> Duration {
        self.function + self.back
    }
}

impl fmt::Display for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { whole, bus, router, platform, start, function, steps, back } = self;
        let [code, process, load] = steps;
        write!(
            f,
            "{whole:.1?} = to the router {bus:.1?}, in it {router:.1?}, to the function {platform:.1?} (our process \
             listens after {start:.1?}), in it {function:.1?} (code {code:.1?}, process {process:.1?}, loaded \
             {load:.1?}), back and published {back:.1?}"
        )
    }
}

impl Lab {
    /// What became of an event that was the first in its worker's process.
    pub(crate) fn wake(&self, id: &str, worker: &str, published: Duration) -> Wake {
        let replied = self.reply(id);
        let story = self.eventually("the event is finished", PATIENCE, || {
            let story = self.story(id);
            if story["state"] == "Finished" { Ok(story) } else { Err(story.to_string()) }
        });
        let attempts = story["workers"][0]["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 1, "{story}");
        let (accepted, asked) = (moment(&story["acceptedAt"]), moment(&attempts[0]["startedAt"]));
        let logs = self.function_logs();
        let line = logs.lines().rfind(|line| line.contains(&format!("a new process of worker `{worker}`")));
        let line = line.unwrap_or_else(|| panic!("no new process answered for {worker}:\n{logs}"));
        let step = |name| field(line, name);
        let (answered, function) = (moment(&Value::from(line.split(' ').next())), step("answered_ms"));
        Wake {
            whole: replied.saturating_sub(published),
            bus: accepted.saturating_sub(published),
            router: asked.saturating_sub(accepted),
            platform: (answered - function).saturating_sub(asked),
            start: listening(&logs),
            function,
            steps: ["fetched_ms", "spawned_ms", "loaded_ms"].map(step),
            back: replied.saturating_sub(answered),
        }
    }
}

/// How long the newest function took until it listened, by its own word.
fn listening(logs: &str) -> Duration {
    field(logs.lines().rfind(|line| line.contains("function listens on")).unwrap(), "duration_ms")
}

/// A number of milliseconds in a line of a log.
fn field(line: &str, name: &str) -> Duration {
    let (_, rest) = line.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("no {name}: {line}"));
    Duration::from_secs_f64(rest.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1000.0)
}

fn moment(text: &Value) -> Duration {
    let text = text.as_str().unwrap_or_else(|| panic!("no time: {text}"));
    Duration::from_micros(text.parse::<Timestamp>().unwrap().as_micros().try_into().unwrap())
}
