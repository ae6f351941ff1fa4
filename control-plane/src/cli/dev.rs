//! `dev`: a control plane on this machine whose workers are files.
//!
//! The binary starts the control plane; a [`Session`] keeps its workers as the files are and shows what
//! happens. It speaks to the control plane as any client does.

mod files;
mod header;
mod screen;
mod watch;

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use tokio_util::sync::CancellationToken;
use workmanager_core_kit::Secret;

use self::{
    files::{File, Outcome},
    screen::Screen,
    watch::{Change, Watch},
};
use super::{
    client::{Client, Route},
    error::Error,
    options::Colour,
    server::Server,
    verb::list,
    wire::Worker,
};
use crate::feed::Feed;

/// Arguments of `dev` itself; the binary adds the options of the parts that it starts.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Files with worker code; a worker that greets if there is none.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// On a Redis and a Dapr sidecar of its own, which it starts: `redis-server` and `daprd` on PATH.
    #[arg(long)]
    pub dapr: bool,
    /// Where programs are looked for.
    #[arg(long, env = "PATH", hide = true)]
    pub search_path: Option<OsString>,
    /// A bearer token that this control plane lets in, if it wants one.
    #[arg(long, value_name = "TOKEN", env = "WORKMANAGER_TOKEN", hide_env_values = true)]
    pub token: Option<Secret<String>>,
    /// Whether the screen is coloured.
    #[command(flatten)]
    pub colour: Colour,
}

/// The running control plane, as a session needs it.
#[derive(Debug)]
pub struct Ground {
    /// Where REST is served.
    pub http: SocketAddr,
    /// What happens there.
    pub feed: Feed,
}

/// The files of one `dev`, read and watched before anything is started.
pub struct Session {
    files: Vec<File>,
    token: Option<Secret<String>>,
    watch: Option<Watch>,
    screen: Screen,
}

impl Session {
    /// Reads the files. What is wrong with the command line is found here, before anything runs.
    ///
    /// # Errors
    /// A file cannot be read, is no code, or two would be the same worker.
    pub fn prepare(args: &Args) -> Result<Self, Error> {
        Self::open(&args.files, args.token.clone(), Screen::new(&args.colour))
    }

    fn open(paths: &[PathBuf], token: Option<Secret<String>>, screen: Screen) -> Result<Self, Error> {
        let files = files::open(paths)?;
        let watched: Vec<_> = files.iter().filter_map(|file| Some((file.path()?.to_owned(), file.code()))).collect();
        let watch =
            if watched.is_empty() { None } else { Watch::new(watched).map_err(|error| screen.blind(&error)).ok() };
        Ok(Self { files, token, watch, screen })
    }

    /// Makes a running worker of each file, then follows the files and shows what happens until `stop`.
    /// Calls `ready` once every file is running or has failed.
    ///
    /// # Errors
    /// The control plane does not answer. What is wrong with a file is shown, and is no error.
    pub async fn run(
        mut self,
        ground: Ground,
        ready: impl FnOnce() + Send,
        stop: CancellationToken,
    ) -> Result<(), Error> {
        let client = Client::of(Server::at(ground.http), self.token.take());
        let (screen, happenings) = (&self.screen, ground.feed.watch());
        screen.hello(client.server());
        // Said however this ends, also when whoever runs it stops running it.
        let _goodbye = Goodbye(screen);
        let work = async {
            for file in &mut self.files {
                deploy(file, &client, screen).await?;
            }
            screen.others(&others(&client, &self.files).await?);
            screen.ready(&self.files, client.server());
            ready();
            match &mut self.watch {
                Some(watch) => follow(watch, &mut self.files, &client, screen).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            () = screen.show(happenings) => Ok(()),
            failed = work => failed,
        }
    }
}

struct Goodbye<'a>(&'a Screen);

impl Drop for Goodbye<'_> {
    fn drop(&mut self) {
        self.0.goodbye();
    }
}

async fn deploy(file: &mut File, client: &Client, screen: &Screen) -> Result<(), Error> {
    let outcome = file.deploy(client).await;
    screen.deployed(file, &outcome);
    match outcome {
        Outcome::Failed { error: error @ Error::Unreachable { .. }, .. } => Err(error),
        _ => Ok(()),
    }
}

/// The workers that run here and are none of the files: of an earlier session, or made by hand.
async fn others(client: &Client, files: &[File]) -> Result<Vec<String>, Error> {
    let route = Route::v1(["workers"]).with("status", Some("Running"));
    let running = list::all(&route, usize::MAX, client).await?;
    let names = running.iter().map(|worker| client.read::<Worker>(worker).map(|worker| worker.name));
    let is_other = |name: &String| files.iter().all(|file| file.name().as_str() != name);
    names.filter(|name| name.as_ref().map_or(true, is_other)).collect()
}

async fn follow(watch: &mut Watch, files: &mut [File], client: &Client, screen: &Screen) -> Result<(), Error> {
    loop {
        for change in watch.changes().await {
            match change {
                Change::Saved(index, code) => {
                    files[index].saved(code);
                    deploy(&mut files[index], client, screen).await?;
                }
                Change::Deleted(index) => screen.deleted(&files[index]),
            }
        }
    }
}

#[cfg(test)]
mod tests;
