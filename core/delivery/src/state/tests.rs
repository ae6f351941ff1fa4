use super::*;

const TRIES: Tries = Tries { begun: 2, counted: 1, retries: 2 };

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000).unwrap()
}

fn reply() -> Arc<Event> {
    Arc::new(Event::builder().with("id", "r").with("source", "/w").with("type", "t").build().unwrap())
}

/// Every state, once.
fn states() -> [State; 9] {
    [
        State::Matched { tries: TRIES },
        State::Attempting { tries: TRIES, since: at(1) },
        State::Waiting { tries: TRIES, until: at(10) },
        State::Parked { tries: TRIES, reason: ParkReason::Stopped },
        State::ReplyPending { reply: reply() },
        State::Done { reply: None },
        State::DeadLettered { reason: Reason::TooOld },
        State::Overtaken,
        State::WorkerDeleted,
    ]
}

/// Every input, once, and how an attempt can end, once each.
fn inputs() -> [Input; 12] {
    [
        Input::Begin,
        Input::Ended(Ended::NoReply),
        Input::Ended(Ended::Replied(reply())),
        Input::Ended(Ended::Retry { after: Duration::from_secs(5), tries: TRIES }),
        Input::Ended(Ended::GiveUp(Reason::NotRetryable)),
        Input::Due,
        Input::Park(ParkReason::Busy),
        Input::Resume,
        Input::Published,
        Input::GiveUp(Reason::Loop),
        Input::Overtake,
        Input::Delete,
    ]
}

#[test]
fn every_state_with_every_input() {
    // One letter per state and input, states down, inputs across, as in `states` and `inputs`:
    // the state it leads to (M A W P R D L O X, by the order of `states`), or a dot where there is no such move.
    let table = [
        //                 B N R T G D P R P G O X
        ("matched", "A.....P..LOX"),
        ("attempting", ".DRWL.....O."),
        ("waiting", ".....MP..LOX"),
        ("parked", "......PM.LOX"),
        ("reply-pending", "........D.O."),
        ("done", "..........O."),
        ("dead-lettered", "..........O."),
        ("overtaken", "............"),
        ("worker-deleted", "..........O."),
    ];
    for (state, (name, row)) in states().into_iter().zip(table) {
        assert_eq!(state.name(), name);
        for (input, expected) in inputs().into_iter().zip(row.chars()) {
            let what = format!("{name}: {input:?}");
            match (state.clone().step(input.clone(), at(10)), expected) {
                (Err(illegal), '.') => assert_eq!(illegal, IllegalStep { state: name, input: input.name() }),
                (Ok(next), expected) => assert_eq!(letter(&next), expected, "{what}"),
                (Err(illegal), expected) => panic!("{what} should lead to {expected}: {illegal}"),
            }
        }
    }
}

fn letter(state: &State) -> char {
    match state {
        State::Matched { .. } => 'M',
        State::Attempting { .. } => 'A',
        State::Waiting { .. } => 'W',
        State::Parked { .. } => 'P',
        State::ReplyPending { .. } => 'R',
        State::Done { .. } => 'D',
        State::DeadLettered { .. } => 'L',
        State::Overtaken => 'O',
        State::WorkerDeleted => 'X',
    }
}

#[test]
fn states_carry_their_data_along() {
    let next = |state: State, input| state.step(input, at(10)).unwrap();
    let [matched, attempting, waiting, parked, pending, ..] = states();
    assert_eq!(next(matched.clone(), Input::Begin), State::Attempting { tries: TRIES, since: at(10) });
    let more = Tries { begun: 3, counted: 2, retries: 3 };
    let retry = Input::Ended(Ended::Retry { after: Duration::from_secs(5), tries: more });
    assert_eq!(next(attempting, retry), State::Waiting { tries: more, until: at(15) });
    assert_eq!(next(waiting, Input::Due), matched);
    let busy = Input::Park(ParkReason::Busy);
    assert_eq!(next(parked.clone(), busy), State::Parked { tries: TRIES, reason: ParkReason::Busy });
    assert_eq!(next(parked, Input::Resume), matched);
    assert_eq!(next(pending, Input::Published), State::Done { reply: Some(reply()) });
}

#[test]
fn a_retry_is_not_due_before_its_time() {
    let waiting = State::Waiting { tries: TRIES, until: at(10) };
    assert!(waiting.clone().step(Input::Due, at(9)).is_err());
    assert!(waiting.step(Input::Due, at(10)).is_ok());
}

#[test]
fn terminal_states_are_those_that_only_give_way_to_an_earlier_outcome() {
    for state in states() {
        let moves = inputs().into_iter().filter(|input| *input != Input::Overtake);
        let ends = moves.into_iter().all(|input| state.clone().step(input, at(10)).is_err());
        assert_eq!(state.is_terminal(), ends, "{}", state.name());
    }
}
