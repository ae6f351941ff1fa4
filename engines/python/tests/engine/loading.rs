//! What is said when code does not load.

use workmanager_core_domain::outcome::{Failure, FailureKind};

use crate::support::{Harness, load};

async fn refused(source: &str) -> Failure {
    let failure = Harness::new().try_load(source).await.err().unwrap_or_else(|| panic!("this loads: {source}"));
    assert_eq!((failure.kind, failure.retryable), (FailureKind::LoadFailed, false), "{source}");
    failure
}

#[tokio::test]
async fn a_syntax_error_comes_with_line_and_caret() {
    let failure = refused("def Process(event):\n    return {'a': 1\n").await;
    assert_eq!(failure.error_type.as_deref(), Some("SyntaxError"));
    let stack = failure.stack.unwrap();
    assert!(stack.contains("File \"orders.py\", line 2"), "{stack}");
    assert!(stack.contains("return {'a': 1") && stack.contains('^'), "{stack}");
    assert!(stack.contains("SyntaxError: "), "{stack}");
    assert!(!stack.contains("workmanager_"), "{stack}");
}

#[tokio::test]
async fn an_import_error_comes_in_full() {
    let failure = refused("import json\nimport no_such_module\n").await;
    assert_eq!(failure.error_type.as_deref(), Some("ModuleNotFoundError"));
    assert_eq!(failure.message, "No module named 'no_such_module'");
    let stack = failure.stack.unwrap();
    assert!(
        stack.starts_with("Traceback (most recent call last):\n  File \"orders.py\", line 2, in <module>"),
        "{stack}"
    );
    assert!(stack.contains("import no_such_module"), "{stack}");
}

#[tokio::test]
async fn code_without_a_usable_entry_is_refused_with_what_to_do() {
    let table = [
        ("", "a worker defines `def Process(event)`"),
        ("def process(event): pass", "no function `Process`"),
        ("Process = 7", "`Process` is int, not a function"),
        ("def Process(): pass", "must take one argument"),
        ("def Process(a, b): pass", "must take one argument, the event; it takes 2"),
        ("async def Process(): pass", "must take one argument"),
        ("def handle(a, b): pass", "`handle` must take one argument"),
        ("new = 1", "`new` is not callable"),
        ("def new(): return 1", "no method `handle`"),
    ];
    for (source, says) in table {
        let failure = refused(source).await;
        assert!(failure.message.contains(says), "{source}: {} should say {says}", failure.message);
        assert_eq!(failure.stack, None, "{source}");
    }
}

#[tokio::test]
async fn code_that_fails_or_leaves_while_it_loads_is_refused() {
    let table = [
        ("raise RuntimeError('at load')", "RuntimeError", "at load"),
        ("import sys; sys.exit(1)", "SystemExit", "the worker called exit(1)"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", "KeyboardInterrupt"),
        ("def new(): raise ValueError('in new')", "ValueError", "in new"),
    ];
    for (source, error_type, message) in table {
        let failure = refused(source).await;
        assert_eq!((failure.error_type.as_deref(), failure.message.as_str()), (Some(error_type), message), "{source}");
    }
}

#[tokio::test]
async fn source_may_say_its_encoding_and_have_a_byte_order_mark() {
    let source = "\u{feff}# -*- coding: utf-8 -*-\ndef Process(event): return {'type': 't', 'data': 'h\u{e9}'}";
    assert_eq!(load(source).await.json("1").await.data(), "\"h\u{e9}\"");
    refused("def Process(event): return '\u{0}'").await;
}

#[tokio::test]
async fn a_worker_is_an_ordinary_module() {
    let source = "
from __future__ import annotations
import dataclasses, inspect, logging, pickle, sys

@dataclasses.dataclass
class Order:
    count: int

def Process(event):
    order = pickle.loads(pickle.dumps(Order(event['data'])))
    assert sys.modules[__name__].Order is Order
    assert __name__ != '__main__'
    return {'type': 't', 'data': [dataclasses.asdict(order), inspect.getsource(Order.__init__) != '' if False else 'ok']}
";
    assert_eq!(load(source).await.json("3").await.data(), r#"[{"count":3},"ok"]"#);
}

#[tokio::test]
async fn installed_packages_can_be_imported() {
    // `site` is left out at the start; the first import that misses brings it in.
    let source = "
import sys
before = 'site' in sys.modules
try:
    import surely_not_installed
except ImportError:
    pass
def Process(event):
    return {'type': 't', 'data': [before, 'site' in sys.modules, any('-packages' in p for p in sys.path)]}
";
    assert_eq!(load(source).await.json("1").await.data(), "[false,true,true]");
}
