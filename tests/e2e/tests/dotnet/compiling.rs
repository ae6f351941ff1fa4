//! What the API and the command line say about source that does not compile.

use serde_json::{Value, json};
use workmanager_tests_e2e::{Dotnet, Server, base64, workmanager};

const BAD: &str = "using CloudNative.CloudEvents;
public static class Worker
{
    public static CloudEvent Process(CloudEvent e)
    {
        int count = \"none\";
        return e.Foo();
    }
}";

#[test]
fn every_error_is_in_the_answer_with_its_place_and_in_the_command_lines_words() {
    let Some(dotnet) = Dotnet::found() else { return };
    let server = Server::with_dotnet(&dotnet, "serve", &[]);
    let body = json!({ "name": "w", "mimeType": "text/x-csharp", "codeSource": { "content": base64(BAD) } });
    let answer = server.call("POST", "/v1/workers", &body).expect(422).json();
    assert_eq!(answer["code"], "load-failed", "{answer}");
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 2, "{answer}");
    let first = json!({
        "pointer": "/codeSource/content", "file": "w.cs", "line": 6, "column": 21, "id": "CS0029",
        "reason": "Cannot implicitly convert type 'string' to 'int'",
    });
    assert_eq!(errors[0], first);
    assert_eq!((&errors[1]["line"], &errors[1]["id"]), (&json!(7), &json!("CS1061")));
    let _ = server.call("GET", "/v1/workers/w", &Value::Null).expect(404);

    let good = BAD.replace("int count = \"none\";", "").replace("e.Foo()", "e");
    let body = json!({ "name": "w", "mimeType": "text/x-csharp", "codeSource": { "content": base64(&good) } });
    let _ = server.call("POST", "/v1/workers", &body).expect(201);
    let answer = server.call("PUT", "/v1/workers/w/code", &json!({ "content": base64(BAD) })).expect(422).json();
    assert_eq!(answer["errors"][0]["pointer"], "/content", "{answer}");
    assert_eq!(answer["errors"][0]["line"], 6);

    let file = server.directory().join("Orders.cs");
    std::fs::write(&file, BAD).unwrap();
    let mut create = std::process::Command::new(workmanager());
    create.args(["create", "--server", server.url()]).arg(file);
    let done = create.output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    for says in [
        "Orders.cs(6,21): error CS0029: Cannot implicitly convert type 'string' to 'int'",
        "Orders.cs(7,18): error CS1061: ",
        "correct the code and try again; nothing was changed",
    ] {
        assert!(said.contains(says), "{said} should say {says}");
    }
    assert!(!done.status.success());
}
