//! Parts of bodies that several operations take.

use std::borrow::Cow;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;

use crate::{
    api::json::{Fields, Node},
    app::{Change, CodeDraft, EngineDraft, LimitsDraft, Problems},
};

/// The standard alphabet; padding may be left out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `{ "content": …, "url": …, "sha256": … }`
pub(super) fn code(node: Node<'_>, at: &str, problems: &mut Problems) -> Option<CodeDraft> {
    if !matches!(node, Node::Object(_)) {
        problems.push(at, format!("must be an object, not {}", node.what()));
        return None;
    }
    let mut fields = Fields::of(node, at, problems);
    let draft = code_fields(&mut fields, problems);
    fields.finish(problems);
    Some(draft)
}

/// The fields of [`code`], among others.
pub(super) fn code_fields(fields: &mut Fields<'_>, problems: &mut Problems) -> CodeDraft {
    let content = match fields.take("content", problems) {
        None | Some(Node::Null) => None,
        Some(Node::Text(text)) => decode(&text, &fields.pointer("content"), problems),
        Some(other) => {
            problems.push(fields.pointer("content"), format!("must be a base64 string, not {}", other.what()));
            None
        }
    };
    let (url, sha256) = (fields.text("url", problems), fields.text("sha256", problems));
    CodeDraft { content, url, sha256 }
}

fn decode(text: &str, at: &str, problems: &mut Problems) -> Option<Bytes> {
    let spaced = text.bytes().any(|byte| byte.is_ascii_whitespace());
    let plain: Cow<'_, str> =
        if spaced { text.chars().filter(|c| !c.is_ascii_whitespace()).collect::<String>().into() } else { text.into() };
    match BASE64.decode(plain.as_bytes()) {
        Ok(bytes) => Some(bytes.into()),
        Err(error) => {
            problems.push(at, format!("must be base64 in the standard alphabet: {error}"));
            None
        }
    }
}

/// `{ "entry": …, "invariant": … }`
pub(super) fn engine(node: Node<'_>, at: &str, problems: &mut Problems) -> EngineDraft {
    let mut fields = Fields::of(node, at, problems);
    let draft = EngineDraft { entry: fields.text("entry", problems), invariant: fields.boolean("invariant", problems) };
    fields.finish(problems);
    draft
}

/// `{ "timeout": …, "memory": …, … }`
pub(super) fn limits(node: Node<'_>, at: &str, problems: &mut Problems) -> LimitsDraft {
    let mut fields = Fields::of(node, at, problems);
    let draft = LimitsDraft {
        timeout: fields.change_text("timeout", problems),
        memory: fields.change_text("memory", problems),
        concurrency: fields.change_number("concurrency", problems),
        max_attempts: fields.change_number("maxAttempts", problems),
        max_age: fields.change_text("maxAge", problems),
        log_bytes: fields.change_text("logBytes", problems),
    };
    fields.finish(problems);
    draft
}

/// What a member holds, null as if it were absent.
pub(super) fn present<'a>(node: Option<Node<'a>>) -> Option<Node<'a>> {
    node.filter(|node| *node != Node::Null)
}

/// What a member says in a merge patch, read by `read`.
pub(super) fn patched<'a, T>(
    node: Option<Node<'a>>,
    at: &str,
    problems: &mut Problems,
    read: impl FnOnce(Node<'a>, &str, &mut Problems) -> T,
) -> Change<T> {
    match node {
        None => Change::Keep,
        Some(Node::Null) => Change::Reset,
        Some(node) => Change::Set(read(node, at, problems)),
    }
}
