//! What the doctor says of the .NET that functions of this machine would have.

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use workmanager_tests_e2e::workmanager;

/// Nothing but the names of files: the doctor starts nothing.
fn installed(at: &Path) {
    for file in [
        "dotnet",
        "shared/Microsoft.NETCore.App/8.0.4/libcoreclr.so",
        "sdk/8.0.100/Roslyn/bincore/csc.dll",
        "sdk/8.0.100/Roslyn/bincore/Microsoft.CodeAnalysis.dll",
        "sdk/8.0.100/Roslyn/bincore/Microsoft.CodeAnalysis.CSharp.dll",
    ] {
        let file = at.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
    }
}

/// Verdict and message of its look at .NET.
fn said(home: &Path, environment: &[(&str, &str)]) -> (String, String) {
    let mut command = Command::new(workmanager());
    command.args(["doctor", "--server", "http://127.0.0.1:1", "--data-dir"]).arg(home).args(["--output", "json"]);
    command.env("DOTNET_ROOT", home).env("HOME", home).env_remove("NUGET_PACKAGES").envs(environment.iter().copied());
    let read: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let checks = read["checks"].as_array().unwrap();
    let dotnet = checks.iter().find(|check| check["name"] == "dotnet").unwrap();
    let text = |name: &str| dotnet[name].as_str().unwrap().to_owned();
    (text("verdict"), text("message"))
}

#[test]
fn it_looks_at_what_a_function_would_use() {
    let home = tempfile::tempdir().unwrap();
    installed(home.path());
    let (verdict, message) = said(home.path(), &[]);
    assert_eq!(verdict, "ok");
    assert!(message.starts_with(".NET 8.0.4 at ") && message.ends_with(", CloudEvents by a stand-in"), "{message}");
    let package = home.path().join(".nuget/packages/cloudnative.cloudevents/2.8.0/lib/netstandard2.0");
    fs::create_dir_all(&package).unwrap();
    let file = package.join("CloudNative.CloudEvents.dll");
    fs::write(&file, "").unwrap();
    let (_, message) = said(home.path(), &[]);
    assert!(message.ends_with(&format!(", CloudEvents of {}", file.display())), "{message}");
    let (verdict, message) = said(home.path(), &[("WORKMANAGER_CLOUDEVENTS", "/no/such.dll")]);
    assert_eq!((verdict.as_str(), message.contains("`/no/such.dll` is not there")), ("warn", true), "{message}");
    fs::remove_file(home.path().join("dotnet")).unwrap();
    let (verdict, message) = said(home.path(), &[("WORKMANAGER_DOTNET_EXEC", "true")]);
    assert_eq!((verdict.as_str(), message.contains("there is no `dotnet`")), ("warn", true), "{message}");
}
