//! As much of HTTP as the benchmarks need, over one connection a request.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

/// The headers of an event in binary mode with JSON data.
pub(super) const EVENT: &str = "content-type: application/json\r\nce-specversion: 1.0\r\nce-id: 1\r\n\
                                ce-source: /bench\r\nce-type: bench\r\n";
/// How long anything may take at all.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a request and leaves the answer to be read. `line` is the request line without the version.
pub(super) fn open(to: SocketAddr, line: &str, headers: &str, body: &str) -> anyhow::Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    let text = format!(
        "{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes())?;
    Ok(BufReader::new(stream))
}

/// Sends a request and reads the whole answer; its status must be `expected`.
pub(super) fn ask(to: SocketAddr, line: &str, headers: &str, body: &str, expected: u16) -> anyhow::Result<String> {
    let mut answer = open(to, line, headers, body)?;
    let mut status = String::new();
    answer.read_line(&mut status)?;
    let mut rest = String::new();
    answer.read_to_string(&mut rest)?;
    anyhow::ensure!(status.starts_with(&format!("HTTP/1.1 {expected}")), "{line}: {status}{rest}");
    Ok(rest)
}

/// Waits until `condition` holds, looking often against what is measured.
pub(super) fn until(what: &str, mut condition: impl FnMut() -> bool) -> anyhow::Result<()> {
    let start = Instant::now();
    while !condition() {
        anyhow::ensure!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        // Nobody unparks.
        thread::park_timeout(Duration::from_micros(500));
    }
    Ok(())
}

/// Ports that were free a moment ago.
pub(super) fn free_ports() -> anyhow::Result<[SocketAddr; 2]> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (one, two) = (listen()?, listen()?);
    Ok([one.local_addr()?, two.local_addr()?])
}

/// A program that is stopped in order when dropped.
pub(super) struct Program(pub(super) Child);

impl Drop for Program {
    fn drop(&mut self) {
        drop(Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status());
        drop(self.0.wait());
    }
}
