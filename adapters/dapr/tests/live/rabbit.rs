//! A RabbitMQ of one test's own.

use std::{
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
    _broker: Group,
    _names: Group,
}

/// A process and its children; they do not outlive the test.
struct Group(Child);

impl Group {
    fn start(command: &mut Command) -> Self {
        Self(command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.0);
        // One that has ended already is as dead as it should be.
        let _ = kill_process_group(group, Signal::KILL);
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
        let (port, nodes_port, names) = (free_port(), free_port(), Group::start(&mut names));
        let mut command = Command::new(server);
        command.env("HOME", &folder).env("RABBITMQ_NODENAME", format!("test{port}@localhost"));
        command.env("ERL_EPMD_PORT", names_port.to_string()).env("RABBITMQ_DIST_PORT", nodes_port.to_string());
        command.env("RABBITMQ_NODE_PORT", port.to_string()).env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1");
        command.env("RABBITMQ_MNESIA_BASE", folder.join("data")).env("RABBITMQ_LOG_BASE", folder.join("log"));
        command.env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins"));
        command.env("ERL_CRASH_DUMP", folder.join("crash"));
        // Not what this machine's own broker is set up with.
        command.env("RABBITMQ_CONF_ENV_FILE", "/dev/null");
        command.env("RABBITMQ_CONFIG_FILE", folder.join("none"));
        command.env("RABBITMQ_ADVANCED_CONFIG_FILE", deploy().join("rabbitmq/advanced.config"));
        let broker = Group::start(&mut command);
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(90), "rabbitmq does not start");
            std::thread::park_timeout(Duration::from_millis(50));
        }
        Some(Self { port, _broker: broker, _names: names })
    }
}
