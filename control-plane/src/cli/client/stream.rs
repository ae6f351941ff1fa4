//! Server-sent events, read as they come.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::cli::{error::Error, server::Server};

/// Most bytes of one line: an event of 1 MiB in base64, and room.
const MAX_LINE: usize = 4 << 20;

/// One message of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Data, and the id to go on after.
    Data {
        /// The stream's position after it.
        id: Option<String>,
        /// Its kind; `message` when the server names none.
        event: Option<String>,
        /// The text.
        data: String,
    },
    /// What the server says beside the data.
    Comment(String),
}

/// A stream of frames.
#[derive(Debug)]
pub(crate) struct Stream {
    server: Server,
    body: Incoming,
    decoder: Decoder,
}

impl Stream {
    pub(super) fn new(server: Server, body: Incoming) -> Self {
        Self { server, body, decoder: Decoder::default() }
    }

    /// The next frame; `None` once the server has ended the stream.
    ///
    /// # Errors
    /// The connection breaks, or the server sends what is no such stream.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            if let Some(frame) = self.decoder.ready.pop_front() {
                return Ok(Some(frame));
            }
            let Some(chunk) = self.body.frame().await else { return Ok(None) };
            let broken = |error| Error::Broken { server: self.server.clone(), source: Box::new(error) };
            if let Ok(data) = chunk.map_err(broken)?.into_data() {
                let wrong = |source: TooLong| Error::Answer { server: self.server.clone(), source: source.into() };
                self.decoder.push(&data).map_err(wrong)?;
            }
        }
    }
}

/// A line above the limit.
#[derive(Debug, thiserror::Error)]
#[error("a line of the stream has more than {MAX_LINE} bytes")]
struct TooLong;

/// Puts frames together from bytes, wherever these are cut.
#[derive(Debug, Default)]
struct Decoder {
    rest: BytesMut,
    id: Option<String>,
    event: Option<String>,
    data: Option<String>,
    ready: VecDeque<Frame>,
}

impl Decoder {
    fn push(&mut self, bytes: &Bytes) -> Result<(), TooLong> {
        let mut from = self.rest.len();
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest[from..].iter().position(|&byte| byte == b'\n') {
            let line = self.rest.split_to(from + end);
            self.rest.advance(1);
            from = 0;
            let line = String::from_utf8_lossy(&line);
            self.line(line.strip_suffix('\r').unwrap_or(&line));
        }
        if self.rest.len() > MAX_LINE { Err(TooLong) } else { Ok(()) }
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() {
            let event = self.event.take();
            if let Some(data) = self.data.take() {
                self.ready.push_back(Frame::Data { id: self.id.clone(), event, data });
            }
            return;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => self.ready.push_back(Frame::Comment(value.to_owned())),
            "id" => self.id = Some(value.to_owned()),
            "event" => self.event = Some(value.to_owned()),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            // The standard says to pass over what is not known.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(id: Option<&str>, data: &str) -> Frame {
        Frame::Data { id: id.map(str::to_owned), event: None, data: data.into() }
    }

    #[test]
    fn frames_are_the_same_wherever_the_bytes_are_cut() {
        let text = ": best effort\nid: 7\ndata: {\"a\":1}\n\n:\r\ndata:x\r\ndata: y\r\nretry: 5\r\n\r\nevent: gap\n\ndata: cut";
        let expected = [
            Frame::Comment("best effort".into()),
            data(Some("7"), "{\"a\":1}"),
            Frame::Comment(String::new()),
            data(Some("7"), "x\ny"),
        ];
        for size in 1..text.len() {
            let mut decoder = Decoder::default();
            for chunk in text.as_bytes().chunks(size) {
                decoder.push(&Bytes::copy_from_slice(chunk)).unwrap();
            }
            assert_eq!(Vec::from(decoder.ready), expected, "cut every {size} bytes");
        }
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut decoder = Decoder::default();
        let chunk = Bytes::from(vec![b'x'; MAX_LINE]);
        assert!(decoder.push(&chunk).is_ok());
        assert!(decoder.push(&chunk).is_err());
    }
}
