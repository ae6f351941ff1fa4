//! Named benchmarks: each asks one question, and answers with numbers and the command that gave them.

mod broker;
mod code;
mod dapr;
mod dev;
mod dotnet;
mod durable;
mod function;
mod http;
mod load;
mod neighbours;
mod ours;
mod peers;
mod proc;
mod report;
mod row;
mod subject;
mod workers;
mod wrk;

use clap::{Args, ValueEnum};
use row::Row;

use crate::tools::Tools;

/// Options of `cargo xtask bench`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Which; see `--list`. All, unless named.
    names: Vec<String>,
    /// Says which there are, and runs none.
    #[arg(long)]
    list: bool,
    /// A few samples: to see that it works, not to know how fast.
    #[arg(long)]
    quick: bool,
    /// How the numbers are printed.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Also writes them to `docs/benchmarks/`, with machine and commit.
    #[arg(long)]
    record: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// One question.
struct Bench {
    /// Its name on the command line.
    name: &'static str,
    /// What is asked.
    question: &'static str,
    /// What the answer must be, as in `docs/promises.md`; empty for what is only compared with.
    bar: &'static str,
    /// Finds the answer.
    run: fn(&Setting<'_>) -> anyhow::Result<Vec<Row>>,
}

/// What every benchmark gets.
struct Setting<'a> {
    /// For what must be installed first.
    tools: &'a Tools,
    /// A few samples only.
    quick: bool,
}

const ALL: [Bench; 11] = [
    Bench {
        name: "dev",
        question: "How long from the start of `dev FILE` to the reply, with the event published at the first healthy moment?",
        bar: "at most 1 s",
        run: dev::dev,
    },
    Bench {
        name: "process-cold",
        question: "How long from the start of a function's process to its first answer, ours and the peers'?",
        bar: "at most 30 ms, and a tenth of each peer",
        run: function::process_cold,
    },
    Bench {
        name: "code-cold",
        question: "How long does a running function take for the first event of code that it has never seen?",
        bar: "at most 5 ms",
        run: code::cold,
    },
    Bench {
        name: "warm",
        question: "How fast does a running function answer, beside a bare echo over the same pipes and beside a peer?",
        bar: "at most 2.5 times the bare echo; 10 times the peer's rate",
        run: function::warm,
    },
    Bench {
        name: "dotnet",
        question: "What does a C# worker cost when it is new, how fast is it beside Python, and what does it hold?",
        bar: "create 1.2 s cold, 60 ms warm; first event 5 ms with a spare; Python's rate; 40 MB, 75 MB, 700 MB",
        run: dotnet::dotnet,
    },
    Bench {
        name: "durable",
        question: "How many events a second go the whole way, each on disk before it is acknowledged, and how long does one take?",
        bar: "5,000 events/s; 3 ms at 500/s; 60 MiB",
        run: durable::durable,
    },
    Bench {
        name: "workers",
        question: "How soon is a control plane ready that has 10,000 workers, and how long does a page of them take?",
        bar: "1 s; 5 ms; 60 MiB",
        run: workers::workers,
    },
    Bench {
        name: "overload",
        question: "What do ten times as many publishers do to it, and how does it come out of that?",
        bar: "90 % of the peak; normal within 10 s; nothing lost",
        run: durable::overload,
    },
    Bench {
        name: "neighbours",
        question: "How long does a worker take beside one that does harm, compared with beside a plain process that is as busy?",
        bar: "p99 at most 1.2 times",
        run: neighbours::neighbours,
    },
    Bench {
        name: "dapr",
        question: "How many events a second go the whole way through Dapr, what do they cost, and how long does one take, beside \
                   the frameworks that people know and a client that does nothing else?",
        bar: "3 times Flask, twice FastAPI, half the bare client; a third of FastAPI's time; 0.5 ms more than the bare client",
        run: dapr::dapr,
    },
    Bench { name: "soak", question: "What grows under half load?", bar: "nothing", run: durable::soak },
];

/// Runs the named benchmarks and prints what they found.
///
/// # Errors
/// A name is unknown, or a benchmark could not be run.
pub(crate) fn run(tools: &Tools, options: &Options) -> anyhow::Result<()> {
    let unknown = options.names.iter().find(|name| !ALL.iter().any(|bench| bench.name == **name));
    if let Some(name) = unknown {
        anyhow::bail!("there is no benchmark `{name}`; `cargo xtask bench --list` says which there are");
    }
    let chosen = ALL.iter().filter(|bench| options.names.is_empty() || options.names.iter().any(|n| n == bench.name));
    let chosen: Vec<_> = chosen.collect();
    if options.list {
        for bench in chosen {
            println!("{:<12} {} {}", bench.name, bench.question, bench.bar);
        }
        return Ok(());
    }
    let setting = Setting { tools, quick: options.quick };
    let mut found = Vec::new();
    for (index, bench) in chosen.iter().enumerate() {
        eprintln!("[{}/{}] {}: {}", index + 1, chosen.len(), bench.name, bench.question);
        found.push((*bench, (bench.run)(&setting)?));
    }
    match options.output {
        Output::Table => print!("{}", report::table(&found)),
        Output::Json => println!("{}", report::json(&found)),
    }
    if options.record {
        anyhow::ensure!(!options.quick, "a few samples are not worth a record: leave out --quick or --record");
        println!("wrote {}", report::record(&found)?);
    }
    Ok(())
}
