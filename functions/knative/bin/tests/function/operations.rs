//! What the platform asks.

use std::time::{Duration, Instant};

use crate::support::{Function, LONG};

#[tokio::test]
async fn the_platform_can_see_how_it_is() {
    let function = Function::start(&[("w", "def Process(event): pass")], &[]).await;
    for path in ["/readyz", "/livez"] {
        assert_eq!(function.get(path).await.status, 200, "{path}");
    }
    let engines = function.get("/v1/engines").await.json();
    let python = &engines[0];
    assert_eq!((&python["mimeType"], &python["available"]), (&"text/x-python".into(), &true.into()));
    assert!(python["runtime"].as_str().unwrap().starts_with("CPython 3."));
    // It is looked for while the function is already there.
    let until = Instant::now() + LONG;
    let reason = loop {
        let csharp = function.get("/v1/engines").await.json()[1].take();
        if csharp["available"] == false {
            break csharp["reason"].as_str().unwrap().to_owned();
        }
        assert!(Instant::now() < until, "{csharp}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(reason.contains("install the .NET runtime"), "{reason}");

    function.event("w", "1").await;
    let metrics = String::from_utf8(function.get("/metrics").await.body.to_vec()).unwrap();
    assert!(metrics.contains("workmanager_function_attempts{outcome=\"answered\"} 1"), "{metrics}");
    // The one that forks, the worker's, and perhaps one ahead of the need for it.
    let processes = metrics.lines().find_map(|line| line.strip_prefix("workmanager_engine_processes ")).unwrap();
    assert!(["2", "3"].contains(&processes), "{metrics}");
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let function = Function::start(&[], &[]).await;
    assert_eq!(function.get("/nothing").await.problem(), (404, "not-found".into(), true));
    assert_eq!(function.get("/v1/attempts").await.problem(), (405, "method-not-allowed".into(), true));
}
