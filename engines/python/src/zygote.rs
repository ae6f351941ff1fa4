//! The interpreter that forks.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::fd::AsFd as _,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, OnceLock},
    time::Duration,
};

use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv,
    sendmsg, socketpair,
};
use tokio::{io::Interest, net::UnixStream, sync::Notify};
use workmanager_core_kit::Tasks;
use workmanager_engines_host::{Child, SpawnError, Theirs, confine};

use crate::runtime;

/// Everything that a worker finds in its environment.
const ENVIRONMENT: [(&str, &str); 3] =
    [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LANG", "C.UTF-8"), ("MALLOC_ARENA_MAX", "2")];

/// What the zygote says when it has imported everything.
const WARM: &[u8] = b"warm";

/// A running zygote. It ends when its control socket is closed.
#[derive(Debug)]
pub(crate) struct Zygote {
    control: Arc<UnixStream>,
    child: Child,
}

impl Zygote {
    /// Starts one; returns before it is ready. It says in `version` what it is, and tells `warm` when a
    /// child has everything imported from its birth.
    pub(crate) fn start(
        executable: &Path,
        files: &Path,
        version: &Arc<OnceLock<String>>,
        warm: &Arc<Notify>,
        tasks: &Tasks,
    ) -> Result<Self, SpawnError> {
        let flags = SocketFlags::CLOEXEC;
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None);
        let (control, theirs) = pair.map_err(SpawnError::system("socket"))?;
        let mut command = Command::new(executable);
        command.args(["-I", "-S", "-c", runtime::START]).arg(files);
        command.env_clear().envs(ENVIRONMENT).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
        confine(&mut command, theirs);
        let child = Child::start(command, tasks).map_err(SpawnError::system("run python"))?;
        let control = std::os::unix::net::UnixStream::from(control);
        let control = control.set_nonblocking(true).and_then(|()| UnixStream::from_std(control));
        let control = Arc::new(control.map_err(SpawnError::system("socket"))?);
        tasks.spawn_infallible(listen(control.clone(), version.clone(), warm.clone()));
        Ok(Self { control, child })
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.child.exit().is_none()
    }

    /// Asks for a child with these descriptors.
    pub(crate) async fn fork(&self, theirs: &Theirs) -> io::Result<()> {
        let send = || {
            let descriptors = [theirs.engine.as_fd(), theirs.stdout.as_fd(), theirs.stderr.as_fd()];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
            sendmsg(&self.control, &[IoSlice::new(b"fork")], &mut ancillary, SendFlags::NOSIGNAL)?;
            Ok(())
        };
        self.control.async_io(Interest::WRITABLE, send).await
    }

    /// How it ended; waits a moment for a zygote that is about to.
    pub(crate) async fn last_words(&self) -> String {
        let exit = self.child.ended(Duration::from_millis(200)).await;
        exit.map_or_else(|| "python does not answer".to_owned(), |exit| format!("python {exit}"))
    }

    /// Ends it.
    pub(crate) async fn stop(&self) {
        self.child.kill();
        self.child.ended(Duration::from_secs(5)).await;
    }
}

/// The first message is the version, the second says that there is nothing left to import. The end of the
/// stream is the end of the zygote.
async fn listen(control: Arc<UnixStream>, version: Arc<OnceLock<String>>, warm: Arc<Notify>) {
    loop {
        let mut text = [0; 64];
        let read = control.async_io(Interest::READABLE, || {
            let (count, _) = recv(&control, &mut text, RecvFlags::empty())?;
            Ok(count)
        });
        match read.await {
            Ok(count) if &text[..count] == WARM => warm.notify_one(),
            Ok(count) if count > 0 => {
                let _ = version.set(String::from_utf8_lossy(&text[..count]).into_owned());
            }
            _ => return,
        }
    }
}
