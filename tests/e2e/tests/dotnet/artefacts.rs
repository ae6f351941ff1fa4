//! Compiled code: made once, kept, found by whoever has the same source, and made again when it is lost.

use std::{fs, path::Path};

use serde_json::{Value, json};
use workmanager_tests_e2e::{Dotnet, Server, base64, command_line, descendants, eventually};

fn source(answer: u32) -> String {
    format!(
        "using CloudNative.CloudEvents;
class Worker {{ public CloudEvent Process(CloudEvent e) => new() {{ Type = \"t\", Data = {answer} }}; }}"
    )
}

fn create(server: &Server, name: &str, answer: u32) {
    let code = json!({ "content": base64(&source(answer)) });
    let body = json!({ "name": name, "topic": "in", "mimeType": "text/x-csharp", "codeSource": code, "start": true });
    let _ = server.call("POST", "/v1/workers", &body).expect(201);
}

/// Whether the process that compiles is there.
fn compiles(server: &Server) -> bool {
    descendants(server.pid()).into_iter().any(|pid| command_line(pid).contains("workmanager-compiler.dll"))
}

/// The processes that have the compiler in their memory, by whatever way.
fn have_roslyn(server: &Server) -> Vec<u32> {
    let mut family = descendants(server.pid());
    family.push(server.pid());
    family
        .retain(|pid| fs::read_to_string(format!("/proc/{pid}/maps")).is_ok_and(|maps| maps.contains("CodeAnalysis")));
    family
}

/// A container that starts anew has nothing on its disk.
fn forget_what_the_function_has(directory: &Path) {
    fs::remove_dir_all(directory.join("data/function/cache")).unwrap();
}

#[test]
fn what_was_compiled_once_is_compiled_by_nobody_else() {
    let Some(dotnet) = Dotnet::found() else { return };
    let folder = tempfile::tempdir().unwrap();
    let first = Server::with_dotnet_in(&dotnet, folder.path(), &[]);
    create(&first, "w", 1);
    assert!(compiles(&first) && !have_roslyn(&first).is_empty(), "the compiler is seen where it is");
    drop(first);

    forget_what_the_function_has(folder.path());
    let second = Server::with_dotnet_in(&dotnet, folder.path(), &[]);
    let replies = second.tail("replies", "");
    second.publish("in", "1", &json!(null));
    assert_eq!(replies.next()["data"], 1);
    // The same code as another worker of that name, and as a version of it.
    let _ = second.call("DELETE", "/v1/workers/w", &Value::Null).expect(204);
    create(&second, "w", 1);
    second.publish("in", "2", &json!(null));
    assert_eq!(replies.next()["data"], 1);
    assert!(!compiles(&second), "no event and no worker of that code has started the compiler");
    assert_eq!(have_roslyn(&second), [] as [u32; 0]);
    create(&second, "other", 2);
    assert!(compiles(&second), "other code does");
}

#[test]
fn what_is_lost_is_made_again_while_its_events_wait() {
    let Some(dotnet) = Dotnet::found() else { return };
    let folder = tempfile::tempdir().unwrap();
    let first = Server::with_dotnet_in(&dotnet, folder.path(), &[]);
    create(&first, "w", 1);
    drop(first);

    forget_what_the_function_has(folder.path());
    let is_assembly = |path: &Path| fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"MZ"));
    let blobs = fs::read_dir(folder.path().join("data/blobs")).unwrap().flatten().map(|entry| entry.path());
    let lost: Vec<_> = blobs.filter(|path| is_assembly(path)).collect();
    assert_eq!(lost.len(), 1, "{lost:?}");
    fs::remove_file(&lost[0]).unwrap();
    let second = Server::with_dotnet_in(&dotnet, folder.path(), &[]);
    let replies = second.tail("replies", "");
    second.publish("in", "1", &json!(null));
    assert_eq!(replies.next()["data"], 1);
    assert!(is_assembly(&lost[0]), "the same artefact is there again");
    let worker = second.call("GET", "/v1/workers/w", &Value::Null).expect(200).json();
    assert_eq!(worker["version"], 1, "the same compiler makes the same version");
    let story = eventually("the event's story is written", || {
        let story = second.call("GET", "/v1/events/1", &Value::Null);
        (story.status == 200 && story.text.contains("\"Done\"")).then(|| story.json())
    });
    let attempts = story["events"][0]["workers"][0]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "what could not begin is no attempt: {story}");
}
