//! A store that fails as planned. It passes everything on to a real one, and counts the operations,
//! so that a test can let each of them fail in turn.

mod plan;
mod ports;

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

pub use plan::{Plan, at_every_step};

/// What goes wrong with one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not done, and the caller is told so.
    Refused,
    /// It is not done, and the caller is told that time was up.
    TimedOut,
    /// It is done, and the caller is told that time was up.
    AnswerLost,
    /// It is done, and the caller is told that it is not: what no store should do, and proxies do.
    Lied,
    /// It is not done, and the caller is told that the expectation does not hold. On what has no
    /// expectation it is as [`Fault::Refused`].
    Conflict,
    /// Only the first half of each value is stored, and the caller is told that all is well. What has
    /// no value is done as it should.
    Torn,
    /// It is not done, and nothing after it is.
    Gone,
}

/// The operations of the ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// `Records::get`.
    Get,
    /// `Records::put`.
    Put,
    /// `Records::delete`.
    Delete,
    /// `Records::page`.
    Page,
    /// `Blobs::put`.
    KeepBlob,
    /// `Blobs::get`.
    GetBlob,
    /// `Bus::publish`.
    Publish,
    /// `Bus::subscribe`.
    Subscribe,
    /// `Bus::forget`.
    Forget,
    /// `Bus::topics`.
    Topics,
    /// `Bus::settle`.
    Settle,
    /// `Bus::backlog`.
    Backlog,
    /// `Bus::tail`.
    Tail,
    /// `Bus::position`.
    Position,
}

/// One call of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// 1 for the first since the wrapper was made.
    pub number: u64,
    /// Which call.
    pub step: Step,
    /// The key, digest or topic it is about; empty for a settlement.
    pub about: String,
}

/// A store or bus that fails as its plan says. Deliveries and tails that are open pass through.
#[derive(Debug)]
pub struct Faulty<S> {
    inner: Arc<S>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    plan: Plan,
    operations: Vec<Operation>,
    injected: Vec<(Operation, Fault)>,
    gone: bool,
}

/// What the caller is told instead of the truth.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Unavailable,
    Timeout,
    Conflict,
}

/// How one operation goes.
#[derive(Debug, Clone, Copy)]
struct Course {
    done: bool,
    torn: bool,
    answer: Option<Answer>,
}

impl<S> Faulty<S> {
    /// Wraps a store.
    pub fn new(inner: Arc<S>, plan: Plan) -> Self {
        let state = State { plan, operations: Vec::new(), injected: Vec::new(), gone: false };
        Self { inner, state: Mutex::new(state) }
    }

    /// The store itself, which does not fail.
    pub fn inner(&self) -> &Arc<S> {
        &self.inner
    }

    /// How many operations there were.
    pub fn count(&self) -> u64 {
        self.state().operations.len() as u64
    }

    /// Every operation, in order.
    pub fn operations(&self) -> Vec<Operation> {
        self.state().operations.clone()
    }

    /// What went wrong so far.
    pub fn injected(&self) -> Vec<(Operation, Fault)> {
        self.state().injected.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, step: Step, about: impl ToString) -> Course {
        let mut state = self.state();
        let number = state.operations.len() as u64 + 1;
        let operation = Operation { number, step, about: about.to_string() };
        let fault = if state.gone { Some(Fault::Gone) } else { state.plan.fault(&operation) };
        state.gone |= fault == Some(Fault::Gone);
        if let Some(fault) = fault {
            state.injected.push((operation.clone(), fault));
        }
        state.operations.push(operation);
        Course::of(fault)
    }
}

impl Course {
    const fn of(fault: Option<Fault>) -> Self {
        let (done, answer) = match fault {
            None | Some(Fault::Torn) => (true, None),
            Some(Fault::Refused | Fault::Gone) => (false, Some(Answer::Unavailable)),
            Some(Fault::TimedOut) => (false, Some(Answer::Timeout)),
            Some(Fault::AnswerLost) => (true, Some(Answer::Timeout)),
            Some(Fault::Lied) => (true, Some(Answer::Unavailable)),
            Some(Fault::Conflict) => (false, Some(Answer::Conflict)),
        };
        Self { done, torn: matches!(fault, Some(Fault::Torn)), answer }
    }

    /// The value as it reaches the store.
    fn value(self, value: Bytes) -> Bytes {
        if self.torn { value.slice(..value.len() / 2) } else { value }
    }

    /// Does it or not, and answers.
    async fn take<T, E>(
        self,
        operation: impl Future<Output = Result<T, E>>,
        error: impl FnOnce(Answer) -> E,
    ) -> Result<T, E> {
        let result = if self.done { Some(operation.await?) } else { None };
        match (result, self.answer) {
            (Some(result), None) => Ok(result),
            (_, answer) => Err(error(answer.unwrap_or(Answer::Unavailable))),
        }
    }
}
