//! Where executions tell of themselves: a socket of this process, which nothing of the product passes.

use std::{
    collections::HashSet,
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use workmanager_core_domain::Timestamp;

use crate::history::Execution;

/// A listening sink. Each worker's process has a connection of its own.
#[derive(Debug)]
pub(crate) struct Sink {
    address: SocketAddr,
    told: Arc<Mutex<Told>>,
    closing: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Told {
    executions: Vec<Execution>,
    finished: HashSet<(u64, String)>,
}

/// One line: `start WORKER EVENT ATTEMPT PID PARENT MICROS`, or `end MICROS` of what that connection
/// started last.
enum Line {
    Start(Execution),
    End(Timestamp),
}

impl Sink {
    pub(crate) fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (told, closing) = (Arc::<Mutex<Told>>::default(), Arc::<AtomicBool>::default());
        let (of_thread, is_closing) = (told.clone(), closing.clone());
        let thread = std::thread::spawn(move || accept(&listener, &of_thread, &is_closing));
        Self { address, told, closing, thread }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many pairs of event and worker have an execution that came to its end.
    pub(crate) fn finished(&self) -> usize {
        lock(&self.told).finished.len()
    }

    /// Everything, once every process that could tell more is gone.
    pub(crate) fn close(self) -> Vec<Execution> {
        self.closing.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
        self.thread.join().expect("the sink does not panic");
        std::mem::take(&mut lock(&self.told).executions)
    }
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, told: &Arc<Mutex<Told>>, closing: &AtomicBool) {
    let mut readers = Vec::new();
    // Once it closes, what has connected is still taken in.
    while let Ok((stream, _)) = listener.accept() {
        stream.set_nonblocking(false).expect("a socket that blocks");
        let told = told.clone();
        readers.push(std::thread::spawn(move || read(stream, &told)));
        if closing.load(Ordering::SeqCst) {
            listener.set_nonblocking(true).expect("a socket that does not block");
        }
    }
    readers.into_iter().for_each(|reader| reader.join().expect("a reader does not panic"));
}

fn read(stream: TcpStream, told: &Mutex<Told>) {
    let mut reader = BufReader::new(stream);
    let (mut text, mut last) = (String::new(), None);
    loop {
        text.clear();
        // A killed process may leave half a line, or reset the connection.
        if reader.read_line(&mut text).is_err() || !text.ends_with('\n') {
            return;
        }
        let line = parse(&text).unwrap_or_else(|| panic!("not a line of ours: {text}"));
        let mut told = lock(told);
        match line {
            Line::Start(execution) => {
                last = Some(told.executions.len());
                told.executions.push(execution);
            }
            Line::End(at) => {
                let execution = &mut told.executions[last.take().expect("what ends has started")];
                execution.finished = Some(at);
                let name = (execution.event, execution.worker.clone());
                told.finished.insert(name);
            }
        }
    }
}

fn parse(line: &str) -> Option<Line> {
    let mut words = line.split_whitespace();
    let time = |word: Option<&str>| Timestamp::from_micros(word?.parse().ok()?).ok();
    match words.next()? {
        "start" => Some(Line::Start(Execution {
            worker: words.next()?.to_owned(),
            event: words.next()?.parse().ok()?,
            attempt: words.next()?.parse().ok()?,
            process: words.next()?.parse().ok()?,
            function: words.next()?.parse().ok()?,
            started: time(words.next())?,
            finished: None,
        })),
        "end" => Some(Line::End(time(words.next())?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn executions_are_kept_with_their_ends_and_half_a_line_is_not() {
        let sink = Sink::listen();
        let mut one = TcpStream::connect(sink.address()).unwrap();
        one.write_all(b"start audit 7 1 30 20 1000000\nend 1000500\nstart audit 8 2 30 20 1001000\n").unwrap();
        let mut two = TcpStream::connect(sink.address()).unwrap();
        two.write_all(b"start answer 7 1 31 20 1000001\nend 10005").unwrap();
        drop((one, two));
        workmanager_tests_e2e::eventually("it is told", || (sink.finished() == 1).then_some(()));
        let mut told = sink.close();
        told.sort_by_key(|execution| execution.started);
        let shown = told.iter().map(|execution| {
            (execution.worker.as_str(), execution.event, execution.attempt, execution.finished.is_some())
        });
        let expected = [("audit", 7, 1, true), ("answer", 7, 1, false), ("audit", 8, 2, false)];
        assert_eq!(shown.collect::<Vec<_>>(), expected);
    }
}
