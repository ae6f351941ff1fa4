//! The doctor with and without a server.

use crate::cli::{
    exit::Exit,
    tests::fake::{Fake, ok, problem, run},
};

#[tokio::test]
async fn with_a_server_the_doctor_asks_it() {
    let engines = r#"{"engines":[
        {"mimeType":"text/x-python","language":"python","runtime":"CPython 3.11.7","available":true,"reason":null,
         "sandbox":[{"name":"seccomp","active":true},{"name":"landlock","active":false}]},
        {"mimeType":"text/x-dll","language":"dotnet","runtime":null,"available":false,"reason":"no .NET here","sandbox":[]}]}"#;
    let fake = Fake::start(move |asked| match asked.line.as_str() {
        "GET /health" => ok("{}"),
        "GET /v1/checkup" => ok(
            r#"{"state":"done","findings":[{"file":"deploy/dapr/pubsub.yaml","line":"concurrency","reason":"ten"}]}"#,
        ),
        _ => ok(engines),
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let ran = fake.run(&["doctor", "--data-dir", data]).await;
    let expected = format!(
        "ok    server          healthy at {}\n\
         warn  python          CPython 3.11.7, without landlock; workers are contained less than they could be; see `workmanager engines`\n\
         warn  dotnet          no .NET here; dotnet workers do not run here\n\
         warn  sidecar         not as in deploy/dapr/pubsub.yaml, concurrency: ten; docs/dapr.md says what each line is for\n\
         ok    data directory  {data} is writable\n",
        fake.url()
    );
    assert_eq!((ran.out.as_str(), ran.exit), (expected.as_str(), Exit::Success), "{}", ran.err);
}

#[tokio::test]
async fn the_doctor_says_how_far_the_look_at_a_sidecar_is() {
    let table = [
        (r#"{"state":"none"}"#, ""),
        (
            r#"{"state":"running"}"#,
            "warn  sidecar         its components are still being looked at; ask again in a minute",
        ),
        (r#"{"state":"done","findings":[]}"#, "ok    sidecar         its components do what deploy/dapr is for"),
    ];
    for (checkup, expected) in table {
        let fake = Fake::start(move |asked| match asked.line.as_str() {
            "GET /v1/engines" => ok(r#"{"engines":[]}"#),
            "GET /v1/checkup" => ok(checkup),
            _ => ok("{}"),
        })
        .await;
        let said = fake.run(&["doctor"]).await.out;
        assert_eq!(said.contains("sidecar"), !expected.is_empty(), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_well_is_a_failure() {
    let fake = Fake::start(|_| problem(503, "not-ready", "The server is starting")).await;
    let ran = fake.run(&["doctor"]).await;
    assert_eq!(ran.exit, Exit::Failure);
    assert!(ran.out.starts_with("fail  server          "), "{}", ran.out);
    assert!(ran.err.starts_with("error: 1 of "), "{}", ran.err);
}

#[tokio::test]
async fn without_a_server_the_machine_is_looked_at() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (server, data, port) = (format!("http://{free}"), directory.path().to_str().unwrap(), free.port().to_string());
    let line = ["doctor", "--server", &server, "--data-dir", data, "--port", &port, "--output", "json"];
    let ran = run(&line).await;
    let read: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let names: Vec<_> =
        read["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["server", "data directory", "python", "dotnet", "sandbox", "port"]);
    assert_eq!(read["checks"][0]["verdict"], "warn");
    assert_eq!(
        (&read["checks"][3]["verdict"], &read["checks"][3]["message"]),
        (&"warn".into(), &"there is no .NET runtime".into())
    );
    let none = [&line[..], &["--path", data]].concat();
    let ran = run(&none).await;
    assert_eq!(ran.exit, Exit::Failure);
    assert!(ran.out.contains("there is no python3 on PATH"), "{}", ran.out);
}
