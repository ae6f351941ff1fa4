use std::time::Instant;

use bytes::Bytes;
use workmanager_core_domain::{
    Event,
    event::{Data, DataKind},
};

use super::*;

fn event(kind: DataKind, data: &str) -> Event {
    let event = Event::builder().with("id", "7").with("source", "/shop").with("type", "order.created");
    let event = event.with("subject", "s-1").with("priority", 3);
    event.data(Data { kind, bytes: Bytes::copy_from_slice(data.as_bytes()) }).build().unwrap()
}

fn order() -> Event {
    event(
        DataKind::Json,
        r#"{"amount":12.5,"count":3,"big":18446744073709551615,"items":[{"sku":"a"},{"sku":"b"}],"note":"x\ny"}"#,
    )
}

fn evaluate(filter: &str, event: &Event) -> Result<bool, EvaluationError> {
    Filter::compile(filter).unwrap().matches(&Input::new(event))
}

#[test]
fn attributes_and_data_can_be_asked_for() {
    let table = [
        (r#"event.type == "order.created""#, true),
        (r#"event.type == "order.created" && event.data.amount > 10"#, true),
        (r#"event.type.startsWith("order.") && !event.subject.endsWith("2")"#, true),
        (r#"event["type"] in ["order.created", "order.paid"]"#, true),
        ("event.priority >= 3", true),
        (r#"event.specversion == "1.0""#, true),
        ("has(event.dataschema)", false),
        (r#""subject" in event && !("dataschema" in event)"#, true),
        ("has(event.data.amount) && !has(event.data.tax)", true),
        ("event.data.count == 3 && event.data.amount == 12.5", true),
        ("event.data.big == 18446744073709551615u", true),
        (r#"event.data.items.exists(item, item.sku == "b")"#, true),
        (r#"event.data.items.all(item, item.sku.matches("^[ab]$"))"#, true),
        (r#"event.data.items.filter(item, item.sku == "a").size() == 1"#, true),
        (r#"event.data.items.map(item, item.sku) == ["a", "b"]"#, true),
        (r#"event.data.note == "x\ny""#, true),
        (r#"matches(event.subject, "^t")"#, false),
        (r#"type(event.data.count) == int"#, true),
    ];
    for (filter, expected) in table {
        assert_eq!(evaluate(filter, &order()), Ok(expected), "{filter}");
    }
}

#[test]
fn data_is_read_by_its_kind() {
    let text = event(DataKind::Text, "caf\u{e9}");
    assert_eq!(evaluate(r#"event.data.contains("caf") && event.data.size() == 4"#, &text), Ok(true));
    let binary = event(DataKind::Binary, "\u{1}\u{2}");
    assert_eq!(evaluate(r#"event.data == b"\x01\x02""#, &binary), Ok(true));
    let none = event(DataKind::None, "");
    assert_eq!(evaluate("has(event.data)", &none), Ok(false));
}

#[test]
fn data_is_parsed_only_if_it_is_asked_for_and_then_once() {
    let broken = event(DataKind::Json, "{");
    assert_eq!(evaluate(r#"event.id == "7""#, &broken), Ok(true));
    let order = order();
    let input = Input::new(&order);
    let filters = ["event.data.count == 3", "event.data.amount > 1.0"];
    let parsed: Vec<_> = filters
        .into_iter()
        .map(|filter| {
            assert_eq!(Filter::compile(filter).unwrap().matches(&input), Ok(true));
            std::ptr::from_ref(input.data().unwrap().as_ref().unwrap())
        })
        .collect();
    assert_eq!(parsed[0], parsed[1]);
}

#[test]
fn what_cannot_be_evaluated_is_an_error_that_says_why() {
    let table = [
        ("event.nothing == 1", "`nothing` is not there"),
        ("event.data.tax > 1", "`tax` is not there"),
        ("event.data.items[7].sku == 'a'", "Index out of bounds"),
        ("event.type > 1", "no matching overload"),
        ("event.data.count / 0 == 1", "Division by zero"),
        ("event.priority", "the filter is a int, not true or false"),
        ("event.exists(name, name == 'id')", "iterable"),
    ];
    for (filter, expected) in table {
        let error = evaluate(filter, &order()).unwrap_err().to_string();
        assert!(error.contains(expected), "{filter}: {error} should say {expected}");
    }
    let error = evaluate("event.data.a == 1", &event(DataKind::Json, "{\"a\":")).unwrap_err().to_string();
    assert!(error.contains("`data` is not JSON"), "{error}");
    let long = event(DataKind::Json, &format!("[\"{}\"]", "x".repeat(100_000)));
    assert!(evaluate("event.data[0] > 1", &long).unwrap_err().to_string().len() <= 512);
}

#[test]
fn what_is_wrong_with_a_filter_is_said_with_its_place() {
    let long = "a".repeat(MAX_FILTER + 1);
    let table = [
        ("", "line 1, column 1: "),
        ("event.type ==", "line 1, column 14: "),
        ("event.type == 'a' &&\n  evnt.id == 'b'", "line 2, column 3: `evnt` is unknown, only `event` is there"),
        ("\u{1F600}", "line 1, column 1: "),
        ("event.id.upper() == 'A'", "function `upper` is unknown"),
        ("now() > 1", "function `now` is unknown"),
        ("event.id.matches(event.type)", "line 1, column 18: the regular expression must be a literal"),
        ("event.id.matches('(')", "regex parse error"),
        ("event.id.matches('\\\\w{500}{500}')", "size limit"),
        ("event.id.matches()", "takes a text and a regular expression"),
        ("Event{id: 'a'} == event", "type `Event` is unknown"),
        (&long, "must have at most 4096 bytes, has 4097"),
        (&format!("{}event.id{}", "(".repeat(25), ")".repeat(25)), "nested deeper than 24 brackets"),
        (&format!("event.id{} == 'a'", ".a".repeat(100)), "nested deeper than 24 operations"),
        (&format!("1{} == 1", " + 1".repeat(900)), "nested deeper than 24 operations"),
        ("[1].all(a,[1].all(b,[1].all(c,[1].all(d,[1].all(e,true)))))", "nested deeper than 4 loops"),
        ("event.data.all(a, event.data.all(b, event.data.all(c, a == b)))", "could run too long"),
    ];
    for (filter, expected) in table {
        let error = Filter::compile(filter).unwrap_err().to_string();
        assert!(error.contains(expected), "{filter}: {error} should say {expected}");
        assert!(error.len() < 700, "{filter}: {error}");
    }
}

#[test]
fn a_loop_in_a_loop_is_evaluated_while_the_event_is_small() {
    let filter = Filter::compile("event.data.exists(a, event.data.exists(b, a == b + 1))").unwrap();
    let numbers = |count: usize| {
        let numbers: Vec<_> = (0..count).map(|number| (number * 2).to_string()).collect();
        event(DataKind::Json, &format!("[{}]", numbers.join(",")))
    };
    assert_eq!(filter.matches(&Input::new(&numbers(100))), Ok(false));
    let error = filter.matches(&Input::new(&numbers(100_000))).unwrap_err().to_string();
    assert!(error.contains("could run too long"), "{error}");
}

#[test]
fn one_loop_over_many_items_is_evaluated() {
    let items: Vec<_> =
        (0..5_000).map(|n| format!(r#"{{"sku":"article-{n}","name":"{}"}}"#, "x".repeat(150))).collect();
    let event = event(DataKind::Json, &format!("[{}]", items.join(",")));
    assert_eq!(evaluate(r#"event.data.exists(item, item.sku == "article-4999")"#, &event), Ok(true));
}

/// Texts that make parsers recurse or backtrack. Whether each is a filter does not matter: the answer
/// has to come, on the stack of an ordinary thread.
#[test]
fn hostile_texts_neither_hang_nor_overflow_the_stack() {
    let repeated = |text: &str| text.repeat(MAX_FILTER / text.len());
    let mut texts: Vec<String> = [
        "(", "[", "{", "!", "-", "!-", "a.", "a?", "a?b:", "[[", "{a:", "a(", "a.b(", "'", "\"\"\"", "\\", "1+", "a&&",
        "`", "a||b&&", "has(", "\u{0}",
    ]
    .map(repeated)
    .to_vec();
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("-(", ")"),
        ("!(", ")"),
        ("a(", ")"),
        ("[1].map(x,", ")"),
        ("{1:", "}"),
        ("true?(", "):1"),
    ] {
        for depth in [20, 24, 100, 1_000] {
            texts.push(format!("{}1{}", open.repeat(depth), close.repeat(depth)));
        }
    }
    texts.push(format!("1{}", " ? 1 : 1".repeat(500)));
    texts.push(format!("event{}", "['a']".repeat(800)));
    texts.push(format!("event{}", ".size()".repeat(500)));
    texts.push(format!("1{} == 1", " + 1".repeat(21)));
    texts.push(format!("event.id{} == 'a'", ".a".repeat(21)));
    let check = move || {
        let order = order();
        for text in texts {
            let start = Instant::now();
            if let Ok(filter) = Filter::compile(&text) {
                let _ = filter.matches(&Input::new(&order));
            }
            let taken = start.elapsed();
            assert!(taken.as_secs() < 10, "{} took {taken:?}", &text[..text.len().min(20)]);
        }
    };
    // Half of what Tokio's threads have.
    std::thread::Builder::new().stack_size(1 << 20).spawn(check).unwrap().join().unwrap();
}
