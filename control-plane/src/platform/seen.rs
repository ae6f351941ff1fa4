//! What a caller of a function behind Knative may see instead of the function's own answer: one table.
//!
//! | Seen | Who answered | Did an attempt begin | What to do |
//! |---|---|---|---|
//! | no connection, no such name | nobody | no | later |
//! | 404 without a mark of ours | ingress: there is no such service, or not yet | no | later |
//! | 503 `pending request queue full`, `queue full` | activator or queue-proxy hold all that they may | no | later, slower |
//! | 503 no healthy upstream, connection failure | ingress has no pod | no | at once, then later |
//! | 502 `connection refused` | queue-proxy: the function crashed or restarts | no | at once, then later |
//! | 502 anything else (`EOF`, `reset`) | queue-proxy: the function died with the request | maybe | later, unless it is done |
//! | 503 anything else | ingress lost the connection | maybe | later, unless it is done |
//! | 504 | a timer on the way, that counts waiting too | maybe | later, unless it is done |
//! | a connection that ended | the request was on its way | maybe | later, unless it is done |
//! | any other status | somebody between | maybe | later, unless it is done |
//!
//! *At once* is one more try in the same attempt: with several pods it reaches another one. *Later* is the
//! delivery's backoff, which reaches over the ten seconds that a kubelet waits before it starts a pod again
//! that crashed twice. A status of 200 with something after the frames, or without a final frame, is none of
//! these: whoever reads the frames says that the outcome is unknown.

use http::StatusCode;
use workmanager_core_domain::Outcome;

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nobody took the connection.
    Unreachable,
    /// The ingress knows no such host.
    NoService,
    /// As many requests wait as may.
    QueueFull,
    /// The ingress has no pod to send to.
    NoPod,
    /// A pod is there, and the function in it is not.
    Refused,
    /// The function, or the connection to it, ended with the request.
    Lost,
    /// A timer between here and the function ran out.
    PlatformTimeout,
    /// Something that is in no row.
    Other,
}

/// Whether an attempt began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Began {
    No,
    Maybe,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// One more try at once, within the worker's budget.
    AtOnce,
    /// The delivery comes back to it.
    Later,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    /// In words, with what a person can do.
    pub(super) said: &'static str,
    pub(super) began: Began,
    pub(super) then: Then,
}

impl Seen {
    /// What a status and the first bytes of a body say, when they are not the function's own.
    pub(super) fn of(status: StatusCode, body: &str) -> Self {
        let says = |texts: &[&str]| texts.iter().any(|text| body.contains(text));
        match status {
            StatusCode::NOT_FOUND => Self::NoService,
            StatusCode::SERVICE_UNAVAILABLE if says(&["queue full"]) => Self::QueueFull,
            StatusCode::SERVICE_UNAVAILABLE if says(&["no healthy upstream", "connection failure"]) => Self::NoPod,
            StatusCode::BAD_GATEWAY if says(&["connection refused"]) => Self::Refused,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => Self::Lost,
            StatusCode::GATEWAY_TIMEOUT => Self::PlatformTimeout,
            _ => Self::Other,
        }
    }

    /// Its row.
    pub(super) const fn row(self) -> Row {
        let (said, began, then) = match self {
            Self::Unreachable => {
                ("nobody takes the connection; is the function's address right?", Began::No, Then::Later)
            }
            Self::NoService => ("no such service; is it deployed and ready?", Began::No, Then::Later),
            Self::QueueFull => ("as many requests wait there as may; more pods would help", Began::No, Then::Later),
            Self::NoPod => ("no pod of the function can be reached", Began::No, Then::AtOnce),
            Self::Refused => ("the function in the pod does not run; it crashed or restarts", Began::No, Then::AtOnce),
            Self::Lost => ("the function was lost during the attempt", Began::Maybe, Then::Later),
            Self::PlatformTimeout => ("the platform's time was up", Began::Maybe, Then::Later),
            Self::Other => ("somebody between here and the function answered", Began::Maybe, Then::Later),
        };
        Row { said, began, then }
    }

    /// What is said about it: the row's words, and the very answer.
    pub(super) fn message(self, detail: &str) -> String {
        format!("{}: {detail}", self.row().said)
    }

    /// The outcome of an attempt of which this was seen.
    pub(super) fn outcome(self, detail: &str) -> Outcome {
        let message = self.message(detail);
        match self.row().began {
            Began::No => Outcome::Overloaded { message },
            Began::Maybe => Outcome::Unknown { message },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn row(status: u16, body: &str, seen: Seen, began: Began, then: Then) {
        let found = Seen::of(StatusCode::from_u16(status).unwrap(), body);
        let Row { began: has, then: does, .. } = found.row();
        assert_eq!((found, has, does), (seen, began, then), "{status} {body}");
        let is_unknown = matches!(found.outcome(body), Outcome::Unknown { .. });
        assert_eq!(is_unknown, began == Began::Maybe, "{status} {body}");
    }

    #[test]
    fn a_service_that_is_not_there_never_began_an_attempt() {
        row(404, "404 page not found\n", Seen::NoService, Began::No, Then::Later);
        row(404, "", Seen::NoService, Began::No, Then::Later);
    }

    #[test]
    fn a_full_queue_never_began_an_attempt_and_is_not_asked_again_at_once() {
        row(503, "pending request queue full\n", Seen::QueueFull, Began::No, Then::Later);
    }

    #[test]
    fn an_ingress_without_a_pod_is_asked_again_at_once() {
        row(503, "no healthy upstream", Seen::NoPod, Began::No, Then::AtOnce);
        let envoy = "upstream connect error or disconnect/reset before headers. reset reason: connection failure";
        row(503, envoy, Seen::NoPod, Began::No, Then::AtOnce);
        row(
            503,
            "upstream connect error … reset reason: remote connection failure",
            Seen::NoPod,
            Began::No,
            Then::AtOnce,
        );
    }

    #[test]
    fn an_ingress_that_lost_the_connection_may_have_begun_an_attempt() {
        let envoy = "upstream connect error or disconnect/reset before headers. reset reason: connection termination";
        row(503, envoy, Seen::Lost, Began::Maybe, Then::Later);
        row(503, "", Seen::Lost, Began::Maybe, Then::Later);
    }

    #[test]
    fn a_function_that_does_not_listen_is_asked_again_at_once() {
        let refused = "dial tcp 127.0.0.1:8080: connect: connection refused\n";
        row(502, refused, Seen::Refused, Began::No, Then::AtOnce);
    }

    #[test]
    fn a_function_that_died_with_the_request_may_have_begun_an_attempt() {
        row(502, "EOF\n", Seen::Lost, Began::Maybe, Then::Later);
        let reset = "read tcp 127.0.0.1:43210->127.0.0.1:8080: read: connection reset by peer\n";
        row(502, reset, Seen::Lost, Began::Maybe, Then::Later);
        row(502, "", Seen::Lost, Began::Maybe, Then::Later);
    }

    #[test]
    fn a_timer_on_the_way_says_nothing_about_the_attempt() {
        row(504, "activator request timeout", Seen::PlatformTimeout, Began::Maybe, Then::Later);
        row(504, "request timeout", Seen::PlatformTimeout, Began::Maybe, Then::Later);
    }

    #[test]
    fn what_is_in_no_row_may_have_begun_an_attempt() {
        for status in [200, 301, 403, 408, 413, 429, 500] {
            row(status, "", Seen::Other, Began::Maybe, Then::Later);
        }
    }

    #[test]
    fn nobody_and_a_lost_connection_are_rows_too() {
        assert_eq!(Seen::Unreachable.row().began, Began::No);
        assert_eq!(Seen::Lost.row().began, Began::Maybe);
        assert_eq!(
            Seen::QueueFull.message("503: full"),
            "as many requests wait there as may; more pods would help: 503: full"
        );
    }
}
