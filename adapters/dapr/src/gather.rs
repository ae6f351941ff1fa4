//! Calls that come while others are under way are gathered, and made together. The first ones wait for nobody.

use std::{
    collections::VecDeque,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;
use workmanager_core_kit::Tasks;

/// How many calls are under way at once: a slow one does not hold up all, and much is still gathered. What waits is
/// bounded by who asks, and each of them waits for as long as it likes.
const WIDE: usize = 2;
/// Most that are made together.
const MOST: usize = 64;
/// Most bytes of what is made together, but for one that is larger alone; the sidecar takes 4 MiB in a message.
const BYTES: usize = 2 << 20;

/// What is asked, and who waits for the answer.
type Call<Q, A> = (Q, usize, oneshot::Sender<A>);

/// Gathers calls of one kind.
#[derive(Debug)]
pub(crate) struct Gather<Q, A> {
    waiting: Arc<Mutex<Waiting<Q, A>>>,
    tasks: Tasks,
}

#[derive(Debug)]
struct Waiting<Q, A> {
    calls: VecDeque<Call<Q, A>>,
    under_way: usize,
}

impl<Q: Send + 'static, A: Send + 'static> Gather<Q, A> {
    /// Makes calls for many in `tasks`.
    pub(crate) fn new(tasks: Tasks) -> Self {
        Self { waiting: Arc::new(Mutex::new(Waiting { calls: VecDeque::new(), under_way: 0 })), tasks }
    }

    /// Asks `what`, of so many bytes, by `make`, which gets all that are asked together and answers each in its
    /// place. `None` if it did not.
    pub(crate) async fn ask<F, W>(&self, what: Q, bytes: usize, make: F) -> Option<A>
    where
        F: Fn(Vec<Q>) -> W + Send + Sync + 'static,
        W: Future<Output = Vec<A>> + Send,
    {
        let what = match self.enter(what, bytes) {
            // Nobody waits: the call is made here and now, without a task of its own.
            Ok(what) => what,
            Err(answer) => return answer.await.ok(),
        };
        let make = Arc::new(make);
        let _done = Done(Some(|| self.go_on(make.clone())));
        make(vec![what]).await.pop()
    }

    /// A place among those that make calls, or one in the queue.
    fn enter(&self, what: Q, bytes: usize) -> Result<Q, oneshot::Receiver<A>> {
        let mut waiting = lock(&self.waiting);
        if waiting.under_way < WIDE {
            waiting.under_way += 1;
            return Ok(what);
        }
        let (sender, answer) = oneshot::channel();
        waiting.calls.push_back((what, bytes, sender));
        Err(answer)
    }

    /// Leaves the place, or serves those who came meanwhile.
    fn go_on<F, W>(&self, make: Arc<F>)
    where
        F: Fn(Vec<Q>) -> W + Send + Sync + 'static,
        W: Future<Output = Vec<A>> + Send,
    {
        let mut turn = Turn { waiting: self.waiting.clone(), has_left: false };
        let Some(mut next) = turn.next() else { return };
        self.tasks.spawn_infallible(async move {
            loop {
                let (asked, senders) = next;
                for (sender, answer) in senders.into_iter().zip(make(asked).await) {
                    // Whoever has gone does not want to know.
                    let _ = sender.send(answer);
                }
                match turn.next() {
                    Some(more) => next = more,
                    None => return,
                }
            }
        });
    }
}

/// Calls when it goes, even if it is given up on the way.
struct Done<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Done<F> {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call();
        }
    }
}

/// One of those that make calls for all who wait.
struct Turn<Q, A> {
    waiting: Arc<Mutex<Waiting<Q, A>>>,
    has_left: bool,
}

impl<Q, A> Turn<Q, A> {
    /// What is made next. Leaves when nobody waits.
    fn next(&mut self) -> Option<(Vec<Q>, Vec<oneshot::Sender<A>>)> {
        let mut waiting = lock(&self.waiting);
        let (mut asked, mut senders, mut bytes) = (Vec::new(), Vec::new(), 0);
        while asked.len() < MOST
            && waiting.calls.front().is_some_and(|(_, more, _)| asked.is_empty() || bytes + more <= BYTES)
            && let Some((what, more, sender)) = waiting.calls.pop_front()
        {
            // Whoever has gone does not want it any more.
            if !sender.is_closed() {
                bytes += more;
                asked.push(what);
                senders.push(sender);
            }
        }
        if asked.is_empty() {
            // Under the same lock: who comes next is the first again.
            waiting.under_way -= 1;
            self.has_left = true;
            return None;
        }
        Some((asked, senders))
    }
}

impl<Q, A> Drop for Turn<Q, A> {
    /// A call went wrong, or the program ends.
    fn drop(&mut self) {
        if !self.has_left {
            lock(&self.waiting).under_way -= 1;
        }
    }
}

fn lock<Q, A>(waiting: &Mutex<Waiting<Q, A>>) -> MutexGuard<'_, Waiting<Q, A>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{sync::Semaphore, task::JoinSet};

    use super::*;

    /// Asks `count` numbers at once, and says in what parts they were made while nothing could end.
    async fn parts(count: usize, bytes: usize) -> Vec<usize> {
        let gather = Arc::new(Gather::new(Tasks::new()));
        let (made, gate) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)));
        let mut asked = JoinSet::new();
        for number in 0..count {
            let (gather, made, gate) = (gather.clone(), made.clone(), gate.clone());
            asked.spawn(async move {
                let make = move |numbers: Vec<usize>| {
                    let (made, gate) = (made.clone(), gate.clone());
                    async move {
                        made.lock().unwrap().push(numbers.len());
                        gate.acquire().await.unwrap().forget();
                        numbers.into_iter().map(|number| number * 2).collect()
                    }
                };
                assert_eq!(gather.ask(number, bytes, make).await, Some(number * 2));
            });
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        gate.add_permits(count);
        while asked.join_next().await.is_some_and(|asked| asked.is_ok()) {}
        // The task that served those who waited has its end yet to see.
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(lock(&gather.waiting).under_way, 0);
        Arc::into_inner(made).unwrap().into_inner().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_wait_for_nobody_and_the_rest_go_together() {
        assert_eq!(parts(2, 1).await, [1, 1]);
        assert_eq!(parts(8, 1).await, [1, 1, 6]);
        assert_eq!(parts(WIDE + MOST + 1, 1).await, [1, 1, 64, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_large_together_is_made_in_parts() {
        assert_eq!(parts(5, BYTES).await, [1; 5]);
        assert_eq!(parts(6, BYTES / 2).await, [1, 1, 2, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_leaves_the_place_to_those_who_wait() {
        let gather = Gather::<u8, u8>::new(Tasks::new());
        // Nobody answers a 0.
        let make = |asked: Vec<u8>| async { if asked == [0] { std::future::pending().await } else { asked } };
        let given_up = async || tokio::time::timeout(Duration::from_secs(1), gather.ask(0, 1, make)).await.is_err();
        let (one, other, queued) = tokio::join!(given_up(), given_up(), gather.ask(1, 1, make));
        assert_eq!((one, other, queued), (true, true, Some(1)));
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(lock(&gather.waiting).under_way, 0);
    }

    #[tokio::test]
    async fn a_call_that_goes_wrong_leaves_room_for_the_next() {
        let gather = Gather::<u8, u8>::new(Tasks::new());
        for _ in 0..=WIDE {
            assert_eq!(gather.ask(1, 1, |_| async { Vec::new() }).await, None);
        }
        assert_eq!(gather.ask(1, 1, |asked| async { asked }).await, Some(1));
    }
}
