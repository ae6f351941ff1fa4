//! An event from the command line. It is made with the domain's own builder: the data goes out byte for
//! byte as it was given, and what the server would refuse is refused here already.

use std::ffi::{OsStr, OsString};

use bytes::Bytes;
use clap::Args;
use workmanager_core_domain::{
    Event, Topic,
    event::{AttributeValue, Data, DataKind, InvalidEvent, check_json},
    ports::Ids,
    reply::REPLY_TOPIC,
};

use super::{error::Error, options::Pair, source::Source};

mod show;

pub(crate) use show::{data_line, whole};

/// What the event carries.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Event")]
pub(super) struct EventArgs {
    /// The data: JSON text, @FILE, or - for standard input.
    #[arg(long, short, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    data: Option<OsString>,
    /// The data's media type. What is not JSON is sent as it is.
    #[arg(long, value_name = "TYPE", default_value = "application/json")]
    content_type: String,
    /// What kind of event it is.
    #[arg(long = "type", value_name = "TYPE", default_value = "workmanager.event")]
    kind: String,
    /// Where it comes from.
    #[arg(long, value_name = "URI", default_value = "workmanager-cli")]
    source: String,
    /// Its id; a fresh one if not given. The same source and id is the same event, and runs once.
    #[arg(long)]
    id: Option<String>,
    /// What it is about, within its source.
    #[arg(long)]
    subject: Option<String>,
    /// One more attribute; may be repeated.
    #[arg(long = "ext", value_name = "NAME=VALUE", value_parser = Pair::equals)]
    extensions: Vec<Pair>,
    /// Where the reply to this event goes, whatever the worker's own reply topic.
    #[arg(long, value_name = "TOPIC")]
    reply_topic: Option<Topic>,
}

impl EventArgs {
    /// The event.
    pub(crate) fn event(&self, ids: &dyn Ids) -> Result<Event, Error> {
        let fresh = || ids.next().to_string();
        let mut builder = Event::builder()
            .with("id", self.id.clone().unwrap_or_else(fresh))
            .with("source", self.source.as_str())
            .with("type", self.kind.as_str());
        if let Some(subject) = &self.subject {
            builder.set("subject", subject.as_str().into());
        }
        if let Some(topic) = &self.reply_topic {
            builder.set(REPLY_TOPIC, topic.as_str().into());
        }
        for Pair { key, value } in &self.extensions {
            builder.add(key, AttributeValue::from(value.as_str())).map_err(Error::Event)?;
        }
        if let Some(data) = self.read_data()? {
            builder.set("datacontenttype", self.content_type.as_str().into());
            builder = builder.data(data);
        }
        builder.build().map_err(Error::Event)
    }

    fn read_data(&self) -> Result<Option<Data>, Error> {
        let Some(given) = &self.data else { return Ok(None) };
        let bytes = data_bytes(given)?;
        let kind = match Data::kind_of(Some(&self.content_type)) {
            DataKind::Json => {
                check_json(&bytes).and_then(|()| parse_json(&bytes)).map_err(not_json)?;
                DataKind::Json
            }
            DataKind::Text if std::str::from_utf8(&bytes).is_ok() => DataKind::Text,
            DataKind::None | DataKind::Text | DataKind::Binary => DataKind::Binary,
        };
        Ok(Some(Data { kind, bytes }))
    }
}

fn data_bytes(given: &OsStr) -> Result<Bytes, Error> {
    match given.to_str() {
        Some("-") => Source::Stdin.read(),
        Some(text) => match text.strip_prefix('@') {
            Some(path) => Source::File(path.into()).read(),
            None => Ok(Bytes::copy_from_slice(text.as_bytes())),
        },
        None => Err(Error::input("the data is not UTF-8", "put it in a file and give --data @FILE")),
    }
}

fn parse_json(bytes: &[u8]) -> Result<(), InvalidEvent> {
    let parsed = serde_json::from_slice::<serde::de::IgnoredAny>(bytes);
    parsed.map(drop).map_err(|error| InvalidEvent::Json { message: error.to_string() })
}

fn not_json(error: InvalidEvent) -> Error {
    let hint =
        "a text in JSON has quotes of its own: --data '\"text\"'; or say what it is, as in --content-type text/plain";
    Error::input(format!("the data {error}"), hint)
}

#[cfg(test)]
mod tests {
    use clap::{FromArgMatches as _, error::ErrorKind};
    use uuid::Uuid;

    use super::*;

    struct Fixed;

    impl Ids for Fixed {
        fn next(&self) -> Uuid {
            Uuid::nil()
        }
    }

    fn args(line: &[&str]) -> Result<EventArgs, clap::Error> {
        let command = EventArgs::augment_args(clap::Command::new("publish").no_binary_name(true));
        command.try_get_matches_from(line).and_then(|matches| EventArgs::from_arg_matches(&matches))
    }

    fn event(line: &[&str]) -> Result<Event, Error> {
        args(line).unwrap().event(&Fixed)
    }

    #[test]
    fn an_event_without_flags_has_all_that_an_event_needs() {
        let event = event(&[]).unwrap();
        let attributes: Vec<_> = event.attributes().map(|(name, value)| format!("{name}={value}")).collect();
        let id = format!("id={}", Uuid::nil());
        assert_eq!(attributes, [id.as_str(), "source=workmanager-cli", "type=workmanager.event"]);
        assert_eq!(event.data(), &Data::default());
    }

    #[test]
    fn every_flag_is_an_attribute() {
        let line = "--type order --source /shop --id 7 --subject s --ext tenant=a=b --reply-topic replies";
        let event = event(&line.split(' ').collect::<Vec<_>>()).unwrap();
        let table = [
            ("type", "order"),
            ("source", "/shop"),
            ("id", "7"),
            ("subject", "s"),
            ("tenant", "a=b"),
            ("replytopic", "replies"),
        ];
        for (name, value) in table {
            assert_eq!(event.text(name), Some(value), "{name}");
        }
    }

    #[test]
    fn data_goes_out_byte_for_byte() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data.bin");
        std::fs::write(&path, b"\xff\x00").unwrap();
        let file = format!("@{}", path.display());
        let table: [(&[&str], DataKind, &[u8]); 4] = [
            (&["-d", r#"{"n": 1.10}"#], DataKind::Json, br#"{"n": 1.10}"#),
            (&["-d", "-5"], DataKind::Json, b"-5"),
            (&["-d", "hi", "--content-type", "text/plain"], DataKind::Text, b"hi"),
            (&["-d", &file, "--content-type", "application/octet-stream"], DataKind::Binary, b"\xff\x00"),
        ];
        for (line, kind, bytes) in table {
            let event = event(line).unwrap();
            assert_eq!((event.data().kind, &event.data().bytes[..]), (kind, bytes), "{line:?}");
            assert!(event.text("datacontenttype").is_some());
        }
    }

    #[test]
    fn what_is_no_event_is_refused_before_anything_is_sent() {
        let table: [(&[&str], &str); 6] = [
            (&["-d", "hello"], "the data is not JSON"),
            (&["-d", ""], "the data is not JSON"),
            (&["--ext", "Big=1"], "`Big` must be named"),
            (&["--ext", "a=1", "--ext", "a=2"], "`a` is there twice"),
            (&["--type", ""], "`type` is required"),
            (&["-d", "@/does/not/exist"], "cannot read /does/not/exist"),
        ];
        for (line, expected) in table {
            let error = event(line).unwrap_err();
            assert!(error.to_string().contains(expected), "{line:?}: {error}");
            assert!(error.hint().is_some(), "{line:?}");
        }
        for line in [["--ext", "novalue"], ["--reply-topic", "a/b"]] {
            assert_eq!(args(&line).unwrap_err().kind(), ErrorKind::ValueValidation, "{line:?}");
        }
    }
}
