//! `docs/cli.md` explains what there is.

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::cli::{DevArgs, Exit, ServeArgs, Verb};

const DOCUMENT: &str = include_str!("../../../../docs/cli.md");

/// The verbs as the binary puts them together.
#[derive(Debug, Parser)]
#[command(name = "workmanager")]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(DevArgs),
    Serve(ServeArgs),
    #[command(flatten)]
    Verb(Box<Verb>),
}

#[test]
fn the_verbs_fit_together() {
    Program::command().debug_assert();
}

#[test]
fn every_verb_has_a_section_and_every_section_a_verb() {
    let program = Program::command();
    let mut verbs: Vec<_> = program.get_subcommands().map(clap::Command::get_name).collect();
    let sections = DOCUMENT.lines().filter_map(|line| line.strip_prefix("## "));
    let mut sections: Vec<_> =
        sections.filter(|title| !matches!(*title, "What every verb takes" | "Exit codes")).collect();
    verbs.sort_unstable();
    sections.sort_unstable();
    assert_eq!(sections, verbs);
    for verb in verbs {
        assert!(DOCUMENT.contains(&format!("[`{verb}`](#{verb})")), "{verb} is in the table");
    }
}

#[test]
fn every_exit_code_is_explained_once() {
    let rows = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()?.parse::<u8>().ok());
    assert_eq!(rows.collect::<Vec<_>>(), Exit::ALL.map(Exit::code));
}

#[test]
fn every_flag_in_the_examples_is_one() {
    let program = Program::command();
    let commands = DOCUMENT.lines().filter_map(|line| {
        let start =
            line.starts_with("workmanager ").then_some(0).or_else(|| line.find("| workmanager ").map(|at| at + 2))?;
        let line = line[start..].split(" > ").next()?;
        (!line.contains('[')).then_some(line)
    });
    let mut count = 0;
    for line in commands {
        count += 1;
        let words = shell_words(line);
        if let Err(error) = program.clone().try_get_matches_from(&words) {
            panic!("{line}: {error}");
        }
    }
    assert!(count >= 15, "the examples are found: {count}");
}

/// Splits a line at spaces outside single quotes.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words
}
