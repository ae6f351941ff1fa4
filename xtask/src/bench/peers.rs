//! What others have on the same machine: the Python function frameworks that people know.

use std::process::Command;

use super::{Setting, subject::Subject};

const FUNC_PYTHON: &str = "func-python==0.8.1";
const FUNCTIONS_FRAMEWORK: &str = "functions-framework==3.10.2";

/// Knative's, with a function that answers with the data that it got.
pub(super) fn func_python(setting: &Setting<'_>) -> anyhow::Result<Subject> {
    let source = "from cloudevents.core.v1.event import CloudEvent\nfrom func_python.cloudevent import serve\n\n\
                  class Echo:\n    async def handle(self, scope, receive, send):\n        event = scope['event']\n        \
                  attributes = dict(event.get_attributes(), source='/echo')\n        \
                  await send(CloudEvent(attributes=attributes, data=event.get_data()))\n\n\
                  def new():\n    return Echo()\n\nserve(new)\n";
    let (venv, folder) = (setting.tools.venv(&[FUNC_PYTHON])?, tempfile::tempdir()?);
    let file = folder.path().join("main.py");
    std::fs::write(&file, source)?;
    let command = move |port| {
        let mut command = Command::new(venv.join("bin/python"));
        command.arg(&file).env("LISTEN_ADDRESS", format!("127.0.0.1:{port}"));
        command
    };
    prepared(FUNC_PYTHON, Box::new(command), folder)
}

/// Google's, with a function that answers with the body that it got.
pub(super) fn functions_framework(setting: &Setting<'_>) -> anyhow::Result<Subject> {
    let source = "import functions_framework\n\n@functions_framework.http\ndef echo(request):\n    \
                  return request.get_data(), 200, {'content-type': 'application/json'}\n";
    let (venv, folder) = (setting.tools.venv(&[FUNCTIONS_FRAMEWORK])?, tempfile::tempdir()?);
    let file = folder.path().join("main.py");
    std::fs::write(&file, source)?;
    let command = move |port: u16| {
        let mut command = Command::new(venv.join("bin/functions-framework"));
        command.args(["--target", "echo", "--host", "127.0.0.1", "--source"]).arg(&file);
        command.args(["--port", &port.to_string()]);
        command
    };
    prepared(FUNCTIONS_FRAMEWORK, Box::new(command), folder)
}

fn prepared(name: &str, command: Box<dyn Fn(u16) -> Command>, folder: tempfile::TempDir) -> anyhow::Result<Subject> {
    let subject = Subject { name: name.to_owned(), path: "/", command, _folder: Some(folder) };
    // Once unmeasured, so that byte code and pages are cached for all alike.
    subject.start()?;
    Ok(subject)
}
