//! `dev worker.cs` and `dev worker.dll`, saved again and again.

use std::{fs, path::Path};

use serde_json::{Value, json};
use workmanager_tests_e2e::{Dotnet, Server, eventually};

fn source(answer: &str) -> String {
    format!(
        "// workmanager: topic=in reply-topic=replies
using CloudNative.CloudEvents;

public class Worker
{{
    public CloudEvent Process(CloudEvent e) => new CloudEvent {{ Type = \"t\", Data = \"{answer}\" }};
}}
"
    )
}

fn version(server: &Server) -> u64 {
    server.call("GET", "/v1/workers/w", &Value::Null).expect(200).json()["version"].as_u64().unwrap()
}

#[test]
fn saving_source_is_loading_it_and_all_errors_of_a_bad_save_are_shown_while_the_good_code_serves() {
    let Some(dotnet) = Dotnet::found() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.cs");
    fs::write(&file, source("one")).unwrap();
    let server = Server::with_dotnet(&dotnet, "dev", &[file.to_str().unwrap()]);
    let replies = server.tail("replies", "");
    let mut published = 0;
    let mut answer = || {
        published += 1;
        server.publish("in", &published.to_string(), &json!(null));
        replies.next()["data"].as_str().unwrap().to_owned()
    };
    assert_eq!(answer(), "one");
    fs::write(&file, source("two")).unwrap();
    eventually("the saved file is loaded", || (version(&server) == 2).then_some(()));
    assert_eq!(answer(), "two");

    let bad = source("three").replace("\"three\"", "nowhere").replace("Type = \"t\"", "Typ = 1");
    fs::write(&file, bad).unwrap();
    let shows = [
        "w.cs(6,65): error CS0117: 'CloudEvent' does not contain a definition for 'Typ'",
        "error CS0103: The name 'nowhere'",
    ];
    eventually("both errors are shown", || shows.iter().all(|text| server.screen().contains(text)).then_some(()));
    assert_eq!(answer(), "two", "a bad save changes nothing");
    fs::write(&file, source("four")).unwrap();
    eventually("the repaired file is loaded", || (version(&server) == 3).then_some(()));
    assert_eq!(answer(), "four");
}

#[test]
fn saving_an_assembly_is_loading_it() {
    let Some(dotnet) = Dotnet::found() else { return };
    let folder = tempfile::tempdir().unwrap();
    // The engine makes the type of events with its first worker.
    let first = folder.path().join("first.cs");
    fs::write(&first, source("first")).unwrap();
    drop(Server::with_dotnet(&dotnet, "dev", &[first.to_str().unwrap()]));

    let (file, build) = (folder.path().join("w.dll"), folder.path().join("build"));
    fs::create_dir(&build).unwrap();
    let make = |answer: &str, output: &Path| {
        let text = build.join("w.cs");
        fs::write(&text, source(answer)).unwrap();
        dotnet.compile(output, &[text], &[]);
    };
    make("one", &file);
    let server = Server::with_dotnet(&dotnet, "dev", &[file.to_str().unwrap()]);
    let replies = server.tail("replies", "");
    server.publish("w", "1", &json!(null));
    assert_eq!(replies.next()["data"], "one");
    let next = build.join("w.dll");
    make("two", &next);
    fs::rename(next, &file).unwrap();
    eventually("the new assembly is loaded", || (version(&server) == 2).then_some(()));
    server.publish("w", "2", &json!(null));
    assert_eq!(replies.next()["data"], "two");
}
