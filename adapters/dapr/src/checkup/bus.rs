//! What becomes of events that are given back, and of those that nobody answers.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;
use workmanager_core_domain::Finding;

use super::{
    PUBSUB, RESILIENCY, finding,
    probe::{Probe, Way},
};
use crate::{dapr::Shared, status::Failure, stream::Answer};

/// How long the first event may take. A reader that was here before takes one more, which comes after
/// `processingTimeout`.
const FIRST: Duration = Duration::from_secs(15);
/// How long an event may take to come again when it was given back.
const SOON: Duration = Duration::from_secs(5);
/// The least pause before a second try: a stream that opens is not known before.
const SHORTEST_RETRY: Duration = Duration::from_millis(150);
/// How many are left unanswered at once: more than the component's default has in hand.
const HELD: usize = 12;
/// When an unanswered event comes again, at the earliest and at the latest: after `processingTimeout`, at the next
/// look of the component.
const AGAIN: std::ops::Range<Duration> = Duration::from_secs(8)..Duration::from_millis(13_500);
/// What comes again comes together.
const REST: Duration = Duration::from_millis(500);

/// Looks twice if something was found, and then only what was seen both times counts: a busy machine is late now
/// and then.
pub(super) async fn look(shared: &Shared, app: &str, is_redis: bool) -> Result<Vec<Finding>, Failure> {
    let mut probe = Probe::open(shared, app).await?;
    let mut findings = once(&mut probe, is_redis).await?;
    if !findings.is_empty() {
        probe.begin();
        let again = once(&mut probe, is_redis).await?;
        findings.retain(|one| again.iter().any(|other| (&other.file, &other.line) == (&one.file, &one.line)));
    }
    probe.close().await;
    Ok(findings)
}

async fn once(probe: &mut Probe<'_>, is_redis: bool) -> Result<Vec<Finding>, Failure> {
    let mut findings: Vec<_> = given_back(probe).await?.into_iter().collect();
    // Other components need not send again by the clock: whatever ends the connection will do.
    if is_redis {
        findings.extend(unanswered(probe).await?);
    }
    Ok(findings)
}

/// It should come a second time after a moment, and by the redo topic then.
async fn given_back(probe: &mut Probe<'_>) -> Result<Option<Finding>, Failure> {
    probe.publish(0).await?;
    let Some(first) = probe.next(Instant::now() + FIRST).await? else {
        return Ok(Some(finding(PUBSUB, "type", "an event that was published did not come within 15 s")));
    };
    probe.answer(&first, Answer::Retry);
    let given_back = Instant::now();
    let Some(second) = probe.next(given_back + SOON).await? else {
        return Ok(Some(finding(RESILIENCY, "duration", "an event that was given back did not come within 5 s")));
    };
    let pause = given_back.elapsed();
    if second.way == Way::Redo {
        probe.answer(&second, Answer::Success);
        let reason = "what failed is not tried a second time: events that come while a stream opens are lost, \
                      and what goes round by the redo topic does so thousands of times a second";
        return Ok(Some(finding(RESILIENCY, "inbound", reason)));
    }
    probe.answer(&second, Answer::Retry);
    let third = probe.next(Instant::now() + SOON).await?;
    if let Some(third) = &third {
        probe.answer(third, Answer::Success);
    }
    Ok(match third.map(|third| third.way) {
        None => Some(finding(PUBSUB, "type", "an event that failed twice did not come by its dead-letter topic")),
        Some(Way::Topic) => {
            let reason = "an event that failed twice is tried once more, and holds up others meanwhile";
            Some(finding(RESILIENCY, "maxRetries", reason))
        }
        Some(Way::Redo) if pause < SHORTEST_RETRY => {
            let reason = format!(
                "an event was tried again after {} ms: a stream takes longer to open, and what comes meanwhile is lost",
                pause.as_millis()
            );
            Some(finding(RESILIENCY, "duration", reason))
        }
        Some(Way::Redo) => None,
    })
}

/// All should be in hand at once, and come again by the clock.
async fn unanswered(probe: &mut Probe<'_>) -> Result<Option<Finding>, Failure> {
    for number in 1..=HELD {
        probe.publish(number).await?;
    }
    let (start, mut copies, mut seen, mut again) = (Instant::now(), Vec::new(), BTreeSet::new(), None);
    let mut at_once = 0;
    // If some are held up, so are other topics: no longer than it takes to see that.
    let patience = |seen: &BTreeSet<_>| start + if seen.len() < HELD { SOON } else { AGAIN.end };
    while let Some(copy) = probe.next(patience(&seen)).await? {
        if !probe.is_one_of(&copy, 1..=HELD) {
            // What was given back comes late.
            probe.answer(&copy, Answer::Success);
            continue;
        }
        let is_new = seen.insert(copy.id.clone());
        if start.elapsed() < SOON {
            at_once = seen.len();
        }
        // What the sidecar gives up when the time is over may come by the redo topic before; that is another clock.
        let is_again = !is_new && copy.way == Way::Topic;
        copies.push(copy);
        if is_again {
            again = Some(start.elapsed());
            break;
        }
    }
    while let Some(copy) = probe.next(Instant::now() + REST).await? {
        copies.push(copy);
    }
    copies.iter().for_each(|copy| probe.answer(copy, Answer::Success));
    Ok(judged(at_once, again))
}

/// Of how many events were in hand at once, and when one came again.
fn judged(at_once: usize, again: Option<Duration>) -> Option<Finding> {
    if at_once < HELD {
        let reason = format!(
            "of {HELD} events that nobody answers {at_once} are given out at once: slow topics hold up all others"
        );
        // Those who hold them up are late with them, too.
        return Some(finding(PUBSUB, "concurrency", reason));
    }
    match again {
        Some(after) if after < AGAIN.start => {
            let reason = format!(
                "what nobody has answered is given out again after {} s already, while it may still be worked on",
                after.as_secs()
            );
            Some(finding(PUBSUB, "processingTimeout", reason))
        }
        Some(_) => None,
        None => {
            let reason = "an event that nobody has answered is not given out again within 13.5 s: what a killed \
                          replica held comes late or never";
            Some(finding(PUBSUB, "processingTimeout, redeliverInterval", reason))
        }
    }
}
