//! A RabbitMQ of one test's own.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpStream,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::machine::{deploy, free_port, tool};

/// A broker, and the daemon by which Erlang's nodes find each other: one of its own, so that none is left behind.
pub(crate) struct Rabbit {
    pub(crate) port: u16,
    server: PathBuf,
    folder: PathBuf,
    nodes_port: u16,
    names_port: u16,
    broker: Option<Group>,
    _names: Group,
}

/// A process and its children; they do not outlive the test.
struct Group(Child);

impl Group {
    fn start(command: &mut Command) -> Self {
        Self(command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        // One that has ended already is as dead as it should be.
        let _ = kill_process_group(Pid::from_child(&self.0), signal);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        self.0.wait().unwrap();
    }
}

impl Rabbit {
    /// `None`, with a word, where there is none.
    pub(crate) fn start(folder: PathBuf) -> Option<Self> {
        let server = tool("rabbitmq-server", "WORKMANAGER_TEST_RABBITMQ")?;
        fs::create_dir(&folder).unwrap();
        let names_port = free_port();
        let mut names = Command::new("epmd");
        names.args(["-port", &names_port.to_string(), "-address", "127.0.0.1"]);
        let names = Group::start(&mut names);
        let (port, nodes_port) = (free_port(), free_port());
        let mut rabbit = Self { port, server, folder, nodes_port, names_port, broker: None, _names: names };
        rabbit.run();
        Some(rabbit)
    }

    /// Kills it; what it has written to disk stays.
    pub(crate) fn kill(&mut self) {
        self.broker = None;
        // A child of the process that was waited for may hold the port a moment longer.
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Lets it do nothing more.
    pub(crate) fn freeze(&self) {
        self.broker.as_ref().expect("it runs").signal(Signal::STOP);
    }

    /// Ends all its connections.
    pub(crate) fn cut(&self) {
        self.ctl(&["close_all_connections", "cut"]);
    }

    /// How many consumers each queue has.
    pub(crate) fn consumers(&self) -> BTreeMap<String, usize> {
        let said = self.ctl(&["--silent", "list_queues", "--no-table-headers", "name", "consumers"]);
        let counted = |line: &str| line.split_once('\t').map(|(name, count)| (name.to_owned(), count.parse().unwrap()));
        said.lines().filter_map(counted).collect()
    }

    fn ctl(&self, words: &[&str]) -> String {
        let mut command = Command::new(self.server.with_file_name("rabbitmqctl"));
        self.set(&mut command);
        let output = command.args(words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Where it keeps what, and nothing of what this machine's own broker is set up with.
    fn set(&self, command: &mut Command) {
        let folder = &self.folder;
        command.env("HOME", folder).env("RABBITMQ_NODENAME", format!("test{}@localhost", self.port));
        let (names_port, nodes_port) = (self.names_port.to_string(), self.nodes_port.to_string());
        command.env("ERL_EPMD_PORT", names_port).env("RABBITMQ_DIST_PORT", nodes_port);
        command.env("RABBITMQ_NODE_PORT", self.port.to_string()).env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1");
        command.env("RABBITMQ_MNESIA_BASE", folder.join("data")).env("RABBITMQ_LOG_BASE", folder.join("log"));
        command.env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins"));
        command.env("ERL_CRASH_DUMP", folder.join("crash"));
        command.env("RABBITMQ_CONF_ENV_FILE", "/dev/null");
        command.env("RABBITMQ_CONFIG_FILE", folder.join("none"));
        command.env("RABBITMQ_ADVANCED_CONFIG_FILE", deploy().join("rabbitmq/advanced.config"));
    }

    /// Starts it on the data that it has.
    pub(crate) fn run(&mut self) {
        let mut command = Command::new(&self.server);
        self.set(&mut command);
        self.broker = Some(Group::start(&mut command));
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(90), "rabbitmq does not start");
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }
}
