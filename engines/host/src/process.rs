//! A worker process and the frames it is spoken to with.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use rustix::process::Pid;
use tokio::time::{Instant, Sleep, sleep_until};
use workmanager_core_frames::{CONTRACT, ErrorHead, FailedWith, Frame, FrameError, Kind, Limits, ReadyHead};
use workmanager_core_kit::Tasks;

use crate::{Child, Folder, Ours, Piece, SpawnError, channel::Channel, child::MAX_THREADS, output::Output};

/// How long the end of a process that has closed its socket is waited for before it is killed.
const LINGER: Duration = Duration::from_millis(200);
/// How long a killed process is waited for.
const REAPED: Duration = Duration::from_secs(5);
/// How often its threads are counted while an exchange lasts.
const LOOK: Duration = Duration::from_millis(100);
/// Bytes that are read of what a process wrote before it was ready.
const LAST_WORDS: usize = 4 << 10;

/// What happened next in an exchange.
#[derive(Debug)]
pub enum Step {
    /// The worker wrote something.
    Output(Piece),
    /// The exchange is over; what the worker wrote before has been handed out.
    Ended(Ended),
}

/// How an exchange ended. All but an answer mean that the process is of no use any more.
#[derive(Debug)]
pub enum Ended {
    /// The process answered.
    Answered(Frame),
    /// The deadline passed. The process was killed.
    TimedOut,
    /// The process is gone; exit code or signal, in words.
    Lost(String),
    /// The process sent what is no frame. It was killed.
    Broken(FrameError),
}

/// One process. It is killed with its group when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    channel: Channel,
    output: Output,
    deadline: Pin<Box<Sleep>>,
    look: Pin<Box<Sleep>>,
    ending: Option<Ended>,
}

enum Happening {
    Output(Piece),
    Ended(Ended),
    Closed,
    Late,
    Crowded(u64),
}

impl Process {
    /// Waits until the process at the other end is ready, at most until `deadline`. `child` is given by
    /// whoever started it; one that was forked for us says who it is.
    ///
    /// # Errors
    /// See [`SpawnError`].
    pub async fn connect(
        ours: Ours,
        child: Option<Child>,
        tasks: &Tasks,
        deadline: Instant,
    ) -> Result<(Self, ReadyHead), SpawnError> {
        let Ours { engine, stdout, stderr } = ours;
        let mut channel = Channel::new(engine, Limits::CODE).map_err(SpawnError::system("socket"))?;
        let output = Output::new(stdout, stderr).map_err(SpawnError::system("pipes"))?;
        let ready = tokio::time::timeout_at(deadline, read_one(&mut channel));
        let frame = match ready.await {
            Ok(Ok(frame)) => frame,
            Ok(Err(error)) => return Err(died(child, &error, output).await),
            Err(_elapsed) => return Err(SpawnError::Slow),
        };
        let head = ready_head(&frame)?;
        let child = match child {
            Some(child) => child,
            None => {
                let pid = i32::try_from(head.pid).ok().and_then(Pid::from_raw);
                let pid = pid.ok_or_else(|| SpawnError::Protocol(format!("process id {}", head.pid)))?;
                Child::watch(pid, tasks).map_err(SpawnError::system("watch"))?
            }
        };
        let deadline = Box::pin(sleep_until(deadline));
        let look = Box::pin(sleep_until(Instant::now() + LOOK));
        Ok((Self { child, channel, output, deadline, look, ending: None }, head))
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid().as_raw_pid().unsigned_abs()
    }

    /// Whether it lives, as far as is known.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.child.exit().is_none()
    }

    /// From now on this folder is removed when the process has ended.
    pub fn owns(&self, folder: Folder) {
        self.child.owns(folder);
    }

    /// Begins to count: output is kept from now on, up to `log_bytes`; everything is over at `deadline`;
    /// no larger frame than `limits` is taken.
    pub fn begin(&mut self, deadline: Instant, log_bytes: usize, limits: Limits) {
        self.limit(limits);
        self.deadline.as_mut().reset(deadline);
        self.look.as_mut().reset(Instant::now() + LOOK);
        self.output.begin(log_bytes);
        self.ending = None;
    }

    /// Takes no larger frame than `limits` from now on.
    pub fn limit(&mut self, limits: Limits) {
        self.channel.limit(limits);
    }

    /// Sends `frame`; its body goes from where it is.
    ///
    /// # Errors
    /// The process cannot take it any more.
    pub async fn send(&mut self, frame: &Frame) -> Result<(), Ended> {
        let mut outgoing = Channel::outgoing(frame);
        loop {
            match self.channel.push(&mut outgoing) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(_closed) => return Err(Ended::Lost(self.last_words().await)),
            }
            tokio::select! {
                // What is wrong with the socket shows at the next write.
                _ = self.channel.writable() => {}
                () = &mut self.deadline => {
                    self.kill().await;
                    return Err(Ended::TimedOut);
                }
            }
        }
    }

    /// Waits for what happens next.
    pub async fn next(&mut self) -> Step {
        loop {
            let happening = poll_fn(|cx| self.poll_happening(cx)).await;
            let ended = match happening {
                Happening::Output(piece) => return Step::Output(piece),
                Happening::Ended(ended) => return Step::Ended(ended),
                Happening::Closed => Ended::Lost(self.last_words().await),
                Happening::Late => {
                    self.kill().await;
                    Ended::TimedOut
                }
                Happening::Crowded(threads) => {
                    self.kill().await;
                    Ended::Lost(crowded(threads))
                }
            };
            self.end(ended);
        }
    }

    /// Asks the process to end by closing its socket, and kills what is left after `grace`.
    pub async fn stop(self, grace: Duration) {
        let Self { child, channel, .. } = self;
        drop(channel);
        if child.ended(grace).await.is_none() {
            child.kill();
            child.ended(REAPED).await;
        }
    }

    fn poll_happening(&mut self, cx: &mut Context<'_>) -> Poll<Happening> {
        loop {
            if self.ending.is_some() {
                if let Some(piece) = self.output.poll_rest() {
                    return Poll::Ready(Happening::Output(piece));
                }
                if let Some(ended) = self.ending.take() {
                    return Poll::Ready(Happening::Ended(ended));
                }
            }
            if self.deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Happening::Late);
            }
            if let Poll::Ready(threads) = self.poll_crowd(cx) {
                return Poll::Ready(Happening::Crowded(threads));
            }
            match self.channel.poll_frame(cx) {
                Poll::Ready(Ok(Some(frame))) => self.end(Ended::Answered(frame)),
                Poll::Ready(Ok(None)) => return Poll::Ready(Happening::Closed),
                Poll::Ready(Err(error)) => {
                    self.child.kill();
                    self.end(Ended::Broken(error));
                }
                Poll::Pending => return self.output.poll_piece(cx).map(Happening::Output),
            }
        }
    }

    /// Ready when the process has more threads than it may have.
    fn poll_crowd(&mut self, cx: &mut Context<'_>) -> Poll<u64> {
        while self.look.as_mut().poll(cx).is_ready() {
            let threads = self.child.threads();
            if threads > MAX_THREADS {
                return Poll::Ready(threads);
            }
            self.look.as_mut().reset(Instant::now() + LOOK);
        }
        Poll::Pending
    }

    fn end(&mut self, ended: Ended) {
        self.output.answered(None);
        self.ending = Some(ended);
    }

    /// Kills the process and its group and waits until they are gone.
    async fn kill(&self) {
        self.child.kill();
        self.child.ended(REAPED).await;
    }

    async fn last_words(&self) -> String {
        match self.child.ended(LINGER).await {
            // Who watches over its threads may have been faster than whoever waits for its answer.
            Some(_) if self.child.crowd() > 0 => crowded(self.child.crowd()),
            Some(exit) => format!("the worker's process {exit}"),
            None => {
                self.kill().await;
                "the worker's process closed its channel and was killed".to_owned()
            }
        }
    }
}

fn crowded(threads: u64) -> String {
    format!("the worker's process was killed: it had {threads} threads, {MAX_THREADS} are allowed")
}

async fn read_one(channel: &mut Channel) -> Result<Frame, FrameError> {
    let frame = poll_fn(|cx| channel.poll_frame(cx)).await?;
    frame.ok_or_else(|| FrameError::Io(io::ErrorKind::UnexpectedEof.into()))
}

fn ready_head(frame: &Frame) -> Result<ReadyHead, SpawnError> {
    let unreadable = |error: FrameError| SpawnError::Protocol(error.to_string());
    match frame.kind {
        Kind::Ready => {}
        Kind::Error => {
            let head: ErrorHead = frame.head().map_err(unreadable)?;
            return Err(match head.error {
                FailedWith::Failed(failure) => SpawnError::Died(failure.message),
                FailedWith::EngineLost { message } => SpawnError::Died(message),
                FailedWith::TimedOut { .. } => SpawnError::Slow,
            });
        }
        kind => return Err(unreadable(FrameError::Unexpected(kind))),
    }
    let head: ReadyHead = frame.head().map_err(unreadable)?;
    if head.contract != CONTRACT {
        return Err(SpawnError::Protocol(format!("it speaks contract {}, this host {CONTRACT}", head.contract)));
    }
    Ok(head)
}

/// Why a process ended before it was ready, in its own words where it had any.
async fn died(child: Option<Child>, error: &FrameError, mut output: Output) -> SpawnError {
    let exit = match &child {
        Some(child) => child.ended(LINGER).await,
        None => None,
    };
    let mut said = exit.map_or_else(|| error.to_string(), |exit| exit.to_string());
    output.answered(Some(LAST_WORDS));
    while let Some(piece) = output.poll_rest() {
        said.push_str("; ");
        said.push_str(String::from_utf8_lossy(&piece.bytes).trim());
    }
    SpawnError::Died(said)
}
