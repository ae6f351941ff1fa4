//! Assemblies and archives that do not load: each is refused when a worker is made of it, in words that say why.

use crate::archives::Bench;

const WORKER: &str = "using CloudNative.CloudEvents;
public static class Shop { public static CloudEvent Process(CloudEvent e) => new() { Type = \"t\" }; }";

/// Where things are in the headers of an assembly.
struct Headers {
    coff: usize,
    cli: usize,
}

impl Headers {
    fn of(assembly: &[u8]) -> Self {
        let long = |at: usize| u32::from_le_bytes(assembly[at..at + 4].try_into().unwrap()) as usize;
        let coff = long(0x3c) + 4;
        let optional = coff + 20;
        // A PE32 header has its directories behind 96 bytes; the 15th is that of the CLI.
        let address = long(optional + 96 + 14 * 8);
        let sections = optional + usize::from(u16::from_le_bytes(assembly[coff + 16..coff + 18].try_into().unwrap()));
        let section = |n: usize| sections + n * 40;
        let holds =
            |n: &usize| (long(section(*n) + 12)..long(section(*n) + 12) + long(section(*n) + 16)).contains(&address);
        let found = (0..8).find(holds).unwrap();
        Self { coff, cli: address - long(section(found) + 12) + long(section(found) + 20) }
    }
}

/// The assembly with other flags: 1 is "IL only", 2 is "32 bits required".
fn flagged(assembly: &[u8], flags: u32) -> Vec<u8> {
    let mut changed = assembly.to_vec();
    let at = Headers::of(assembly).cli + 16;
    changed[at..at + 4].copy_from_slice(&flags.to_le_bytes());
    changed
}

#[tokio::test]
async fn what_is_no_assembly_is_refused() {
    let Some(bench) = Bench::new().await else { return };
    let shop = bench.assembly("shop", WORKER, &[]);
    let mut native = shop.clone();
    // Without the directory that says where the CLI's header is.
    let at = Headers::of(&shop).coff + 20 + 96 + 14 * 8;
    native[at..at + 8].fill(0);
    let table: [(&[u8], &str); 3] = [
        (b"MZ, but nothing else", "`shop.dll` is no .NET assembly"),
        (b"\x7fELF", "`shop.dll` is no .NET assembly"),
        (&native, "`shop.dll` is no .NET assembly but a library of the system"),
    ];
    for (code, says) in table {
        let message = bench.refused(&[("shop.dll", code)]).await;
        assert!(message.contains(says), "{message} should say {says}");
    }
    let failure = bench.harness.load_assembly(bytes::Bytes::from_static(b"no assembly")).await.err().unwrap();
    assert!(failure.message.starts_with("the code is no .NET assembly"), "{failure:?}");
}

#[tokio::test]
async fn an_assembly_for_32_bits_is_refused() {
    let Some(bench) = Bench::new().await else { return };
    let shop = flagged(&bench.assembly("shop", WORKER, &[]), 1 | 2);
    let message = bench.refused(&[("shop.dll", &shop)]).await;
    assert_eq!(message, "`shop.dll` is built for 32 bits (x86); build it for any processor");
}

#[tokio::test]
async fn an_assembly_with_code_for_windows_is_refused() {
    let Some(bench) = Bench::new().await else { return };
    let shop = flagged(&bench.assembly("shop", WORKER, &[]), 0);
    let message = bench.refused(&[("shop.dll", &shop)]).await;
    assert!(message.contains("mixed mode") && message.contains("does not run here"), "{message}");
}

#[tokio::test]
async fn an_assembly_for_a_newer_framework_says_which_and_what_runs_here() {
    let Some(bench) = Bench::new().await else { return };
    let newer = "[assembly: System.Reflection.AssemblyVersion(\"99.0.0.0\")] public class Newer { }";
    // As the reference assemblies of a newer framework are named.
    bench.assembly("System.Runtime", newer, &[]);
    let worker = format!("public class Uses : Newer {{ }}\n{}", WORKER.replace("using CloudNative.CloudEvents;", ""));
    let shop = bench.assembly("shop", &format!("using CloudNative.CloudEvents;\n{worker}"), &["System.Runtime"]);
    let message = bench.refused(&[("shop.dll", &shop)]).await;
    assert!(message.starts_with("`shop.dll` is built for .NET 99.0, and .NET "), "{message}");
    assert!(message.contains("runs here; build it for net"), "{message}");
}

#[tokio::test]
async fn the_web_framework_is_said_not_to_be_there() {
    let Some(bench) = Bench::new().await else { return };
    bench.assembly("Microsoft.AspNetCore.Http", "public class Context { }", &[]);
    let worker = format!("{WORKER}\npublic class Uses : Context {{ }}");
    let shop = bench.assembly("shop", &worker, &["Microsoft.AspNetCore.Http"]);
    let message = bench.refused(&[("shop.dll", &shop)]).await;
    assert!(message.contains("Microsoft.AspNetCore.Http 0.0.0.0 (for shop)"), "{message}");
    assert!(message.ends_with("the ASP.NET Core framework is no part of a worker's runtime"), "{message}");
}

#[tokio::test]
async fn an_archive_without_a_worker_is_refused() {
    let Some(bench) = Bench::new().await else { return };
    let message = bench.refused(&[]).await;
    assert_eq!(message, "the archive is empty; bring a zip of what `dotnet publish` writes");
    let message = bench.refused(&[("readme.txt", b"x")]).await;
    assert_eq!(message, "the archive has no assembly of a worker");
}

#[tokio::test]
async fn an_archive_with_files_outside_of_itself_is_refused() {
    let Some(bench) = Bench::new().await else { return };
    for name in ["../shop.dll", "/etc/shop.dll", "lib\\..\\..\\shop.dll"] {
        let message = bench.refused(&[(name, b"x")]).await;
        assert_eq!(message, format!("the archive has a file outside of itself: {name}"));
    }
}

#[tokio::test]
async fn a_list_of_dependencies_that_is_none_is_refused() {
    let Some(bench) = Bench::new().await else { return };
    let shop = bench.assembly("shop", WORKER, &[]);
    for text in [&b"{"[..], b"[]", b"{\"targets\":{}}"] {
        let message = bench.refused(&[("shop.dll", &shop), ("shop.deps.json", text)]).await;
        assert!(message.starts_with("`shop.deps.json` is not what `dotnet publish` writes: "), "{message}");
    }
}
