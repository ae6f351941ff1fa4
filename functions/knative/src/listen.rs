//! The socket on which requests come in.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use rustix::{
    net::{AddressFamily, getsockname},
    process::{Signal, getppid, set_parent_process_death_signal},
};
use tokio::net::{TcpListener, UnixListener};
use workmanager_core_kit::http::Listener;

use crate::Listen;

/// Opens the listener and says where it is.
pub(crate) async fn open(listen: Listen) -> io::Result<(Listener, String)> {
    match listen {
        Listen::Address(address) => {
            let listener = TcpListener::bind(address).await?;
            let place = listener.local_addr()?.to_string();
            Ok((Listener::Tcp(listener), place))
        }
        Listen::Inherited => inherited(),
    }
}

fn inherited() -> io::Result<(Listener, String)> {
    let socket: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
    let family = getsockname(&socket)?.address_family();
    let listener = if family == AddressFamily::UNIX {
        let listener = std::os::unix::net::UnixListener::from(socket);
        listener.set_nonblocking(true)?;
        Listener::Unix(UnixListener::from_std(listener)?)
    } else {
        let listener = std::net::TcpListener::from(socket);
        listener.set_nonblocking(true)?;
        Listener::Tcp(TcpListener::from_std(listener)?)
    };
    Ok((listener, "an inherited socket".to_owned()))
}

/// Dies with the process that started this one, whatever that one dies of.
pub(crate) fn die_with_parent(parent: Option<u32>) -> io::Result<()> {
    let parent = match parent {
        Some(parent) => i32::try_from(parent).ok().and_then(rustix::process::Pid::from_raw),
        None => getppid(),
    };
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() == parent {
        return Ok(());
    }
    Err(io::Error::other("the process that started this one is gone"))
}
