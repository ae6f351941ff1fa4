//! One function binary that offers some of its engines.

use serde_json::{Value, json};
use workmanager_tests_e2e::{Dotnet, Server, base64};

#[test]
fn a_function_offers_what_it_is_told_to_and_says_so_about_the_rest() {
    let Some(dotnet) = Dotnet::found() else { return };
    let mut environment = dotnet.environment().to_vec();
    environment.push(("WORKMANAGER_ENGINES", "csharp,dotnet".into()));
    let server = Server::with_environment(&environment, "serve", &[]);
    let answer = server.call("GET", "/v1/engines", &Value::Null).expect(200).json();
    let offered: Vec<_> = answer["engines"].as_array().unwrap().iter().map(|engine| &engine["available"]).collect();
    assert_eq!(offered, [false, true, true], "{answer}");
    let code = json!({ "content": base64("def Process(event): return None") });
    let refused = server.call("POST", "/v1/workers", &json!({ "codeSource": code })).expect(422).json();
    assert_eq!(refused["code"], "engine-unavailable");
    assert!(refused["detail"].as_str().unwrap().contains("`--engines` leaves it out"), "{refused}");
}
