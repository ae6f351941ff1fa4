//! What a worker is given.

use workmanager_core_domain::event::DataKind;

use crate::support::{Harness, load};

const ECHO: &str = "def Process(event): return {'type': 'seen', 'data': repr(event['data'])}";

#[tokio::test]
async fn the_event_is_a_dict_of_attributes_and_data() {
    let source =
        "def Process(event): return {'type': 'seen', 'data': {k: [type(v).__name__, v] for k, v in event.items()}}";
    let mut worker = load(source).await;
    let extra = r#"{"subject":"s","flag":true,"count":7,"datacontenttype":"application/json"}"#;
    let answer = worker.event(extra, DataKind::Json, br#"{"a":[1,2.5,null]}"#).await;
    let seen: serde_json::Value = serde_json::from_str(&answer.data()).unwrap();
    let expected = serde_json::json!({
        "specversion": ["str", "1.0"], "id": ["str", "e1"], "source": ["str", "/test"], "type": ["str", "test.happened"],
        "subject": ["str", "s"], "flag": ["bool", true], "count": ["int", 7],
        "datacontenttype": ["str", "application/json"], "data": ["dict", {"a": [1, 2.5, null]}],
    });
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn data_is_what_its_kind_says() {
    let mut worker = load(ECHO).await;
    let table: [(DataKind, &[u8], &str); 7] = [
        (DataKind::None, b"", "\"None\""),
        (DataKind::Json, b" \"text\" ", "\"'text'\""),
        (DataKind::Json, b"12345678901234567890123", "\"12345678901234567890123\""),
        (DataKind::Json, b"null", "\"None\""),
        (DataKind::Text, "h\u{e9}\n".as_bytes(), "\"'h\u{e9}\\\\n'\""),
        (DataKind::Binary, b"\x00\xff", "\"b'\\\\x00\\\\xff'\""),
        (DataKind::Json, b"\"\\ud800\"", "\"'\\\\ud800'\""),
    ];
    for (kind, body, expected) in table {
        assert_eq!(worker.event("{}", kind, body).await.data(), expected, "{kind:?} {body:?}");
    }
}

#[tokio::test]
async fn a_large_event_and_a_large_reply_go_through() {
    let mut worker = load("def Process(event): return {'type': 'seen', 'data': event['data']}").await;
    let data = format!("[\"{}\"]", "x".repeat((1 << 20) - 200));
    for _ in 0..3 {
        assert_eq!(worker.json(&data).await.data(), data);
    }
}

#[tokio::test]
async fn config_gives_attributes_that_the_event_overrides() {
    let mut harness = Harness::new();
    harness.manifest.config = [("region", "eu"), ("tier", "gold")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let source = "def Process(event):
        tier = event.pop('tier'); event['region'] += '!'
        return {'type': 'seen', 'data': [tier, event['region']]}";
    let mut worker = harness.load(source).await;
    assert_eq!(worker.json("1").await.data(), r#"["gold","eu!"]"#);
    // Each attempt gets a fresh dict: what the first did to its own is not seen.
    assert_eq!(worker.event(r#"{"tier":"tin"}"#, DataKind::Json, b"1").await.data(), r#"["tin","eu!"]"#);
}

#[tokio::test]
async fn module_state_lives_from_event_to_event() {
    let mut worker = load("n = 0\ndef Process(event):\n global n; n += 1\n return {'type': 'n', 'data': n}").await;
    for n in 1..=3 {
        assert_eq!(worker.json("1").await.data(), n.to_string());
    }
}

#[tokio::test]
async fn an_async_function_runs_on_one_event_loop() {
    let source = "
import asyncio
loops = set()
async def Process(event):
    loops.add(id(asyncio.get_running_loop()))
    await asyncio.sleep(0)
    first, second = await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2))
    return {'type': 'async', 'data': [first, second, len(loops)]}
";
    let mut worker = load(source).await;
    for _ in 0..3 {
        assert_eq!(worker.json("1").await.data(), "[1,2,1]");
    }
}

#[tokio::test]
async fn every_shape_of_entry_is_found() {
    let table = [
        ("def Process(event): return {'type': 'a', 'data': 'p'}\ndef handle(event): return None", "Process"),
        ("def handle(event): return {'type': 'a', 'data': 'h'}", "handle"),
        ("async def handle(event): return {'type': 'a', 'data': 'ah'}", "handle"),
        ("async def handle(scope, receive, send): await send({'type': 'a', 'data': scope['event']['id']})", "handle"),
        (
            "class F:
    def start(self, cfg): self.cfg = cfg
    async def handle(self, scope, receive, send): await send({'type': 'a', 'data': [scope['event']['data'], self.cfg]})
def new(): return F()",
            "new",
        ),
        ("class Process:\n    def __new__(cls, event): return {'type': 'a', 'data': 'class'}", "Process"),
        ("import functools\nProcess = functools.partial(lambda a, e: {'type': 'a', 'data': a}, 'partial')", "Process"),
        ("Process = lambda event, extra=1: {'type': 'a', 'data': extra}", "Process"),
        ("def Process(*args): return {'type': 'a', 'data': len(args)}", "Process"),
    ];
    for (source, entry) in table {
        let mut worker = load(source).await;
        assert_eq!(worker.entry, entry, "{source}");
        assert_eq!(worker.json("1").await.reply().0["type"], "a", "{source}");
    }
}

#[tokio::test]
async fn another_entry_can_be_named() {
    let mut harness = Harness::new();
    harness.manifest.engine.entry = Some("on_order".to_owned());
    let source = "def Process(event): return None\ndef on_order(event): return {'type': 'order', 'data': 1}";
    let mut worker = harness.load(source).await;
    assert_eq!(worker.entry, "on_order");
    assert_eq!(worker.json("1").await.data(), "1");
    let failure = harness.try_load("def Process(event): pass").await.err().unwrap();
    assert!(failure.message.contains("no `on_order`"), "{failure:?}");
}
