//! What can be chosen.

use std::{
    ffi::OsString,
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    path::PathBuf,
    str::FromStr,
};

use http::Uri;
use workmanager_core_domain::{
    Limits, MimeType,
    units::{Size, Span},
};
use workmanager_engines_host::Level;

/// How a function process is run.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Where requests come in: ADDR:PORT, or `stdin` for a listening socket that is inherited as
    /// descriptor 0. On the loopback address and PORT when not given.
    #[arg(long, env = "WORKMANAGER_FUNCTION_LISTEN", value_name = "ADDR:PORT|stdin")]
    pub listen: Option<Listen>,

    /// The port when `--listen` is not given.
    #[arg(long, env = "PORT", default_value_t = 8080, hide = true)]
    pub port: u16,

    /// The process that starts this one, and that this one dies with. It may be gone before we could ask
    /// who it is.
    #[arg(long, hide = true, value_name = "PID")]
    pub parent: Option<u32>,

    /// Makes what engines make once on a machine, and ends: for the build of an image.
    #[arg(long, hide = true)]
    pub prepare: bool,

    /// Where code is fetched by digest.
    #[arg(long, env = "WORKMANAGER_CODE_URL", value_name = "URL")]
    pub code_url: Option<Uri>,

    /// Where fetched code and compiled engine files are kept.
    #[arg(long, env = "WORKMANAGER_CACHE_DIR", value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,

    /// The platform's place for caches; `workmanager` in it is used when `--cache-dir` is not given.
    #[arg(long, env = "XDG_CACHE_HOME", hide = true)]
    pub cache_home: Option<PathBuf>,

    /// The user's directory; `.cache` in it is used when there is no other place for caches.
    #[arg(long, env = "HOME", hide = true)]
    pub home: Option<PathBuf>,

    /// How much fetched code is kept on disk.
    #[arg(long, env = "WORKMANAGER_CACHE_LIMIT", default_value = "1GiB", value_name = "SIZE")]
    pub cache_limit: Size,

    /// The Python that runs Python workers; the first `python3` on PATH when not given.
    #[arg(long, env = "WORKMANAGER_PYTHON", value_name = "PATH")]
    pub python: Option<PathBuf>,

    /// The folder of the .NET runtimes that run C# and .NET workers; that of the `dotnet` on PATH, or a usual
    /// place, when not given.
    #[arg(long, env = "DOTNET_ROOT", value_name = "DIR")]
    pub dotnet_root: Option<PathBuf>,

    /// The folder of the C# compiler, csc.dll; that of the newest .NET SDK when not given.
    #[arg(long, env = "WORKMANAGER_CSHARP_COMPILER", value_name = "DIR")]
    pub csharp_compiler: Option<PathBuf>,

    /// CloudNative.CloudEvents.dll, as its package has it; that of the newest package 2.x in NUGET_PACKAGES or
    /// ~/.nuget/packages when not given, a stand-in with its identity where there is none.
    #[arg(long, env = "WORKMANAGER_CLOUDEVENTS", value_name = "FILE")]
    pub cloud_events: Option<PathBuf>,

    /// Where the .NET SDK keeps packages.
    #[arg(long, env = "NUGET_PACKAGES", hide = true)]
    pub nuget_packages: Option<PathBuf>,

    /// .NET processes that are kept ahead, ready for a worker.
    #[arg(long, env = "WORKMANAGER_DOTNET_SPARES", default_value_t = 1, value_name = "COUNT")]
    pub dotnet_spares: usize,

    /// .NET is started by its own `dotnet` program: slower, and needed by workers that ask what plug-ins need which
    /// they have written to disk (AssemblyDependencyResolver). Always so where the runtime is no library.
    #[arg(long, env = "WORKMANAGER_DOTNET_EXEC")]
    pub dotnet_exec: bool,

    /// The engines that this function offers, by language: one image for all, or one for each.
    #[arg(
        long,
        env = "WORKMANAGER_ENGINES",
        value_delimiter = ',',
        default_value = "python,csharp,dotnet",
        value_name = "LANGUAGE,…"
    )]
    pub engines: Vec<Offered>,

    /// How much must hold a worker's process: `standard` is all that the system has, `strict` runs nothing
    /// where something is missing, `off` leaves limits of resources only.
    #[arg(long, env = "WORKMANAGER_SANDBOX", default_value_t, value_name = "standard|strict|off")]
    pub sandbox: Level,

    /// Where programs are looked for.
    #[arg(long, env = "PATH", hide = true)]
    pub path: Option<OsString>,

    /// A worker to start with, for plain events; repeatable. ID is a UUID or a name, the engine is
    /// chosen by the file's extension.
    #[arg(long = "worker", value_name = "ID=FILE")]
    pub workers: Vec<Given>,

    /// Engine processes that are kept; the one that was idle longest is ended first.
    #[arg(long, env = "WORKMANAGER_MAX_ENGINES", default_value = "32", value_name = "COUNT")]
    pub max_engines: NonZeroU32,

    /// Longest time of one plain event.
    #[arg(long, default_value_t = Limits::default().timeout, value_name = "TIME")]
    pub timeout: Span,

    /// Memory of a process of a worker given by `--worker`.
    #[arg(long, default_value_t = Limits::default().memory, value_name = "SIZE")]
    pub memory: Size,

    /// Plain events of one worker that run at once.
    #[arg(long, default_value_t = Limits::default().concurrency, value_name = "COUNT")]
    pub concurrency: NonZeroU32,

    /// Output of one plain event that is kept.
    #[arg(long, default_value_t = Limits::default().log_bytes, value_name = "SIZE")]
    pub log_bytes: Size,

    /// How long attempts under way may take when the process is told to stop.
    #[arg(long, env = "WORKMANAGER_FUNCTION_GRACE", default_value = "10s", value_name = "TIME")]
    pub grace: Span,
}

impl Config {
    /// The directory for what may be kept from start to start.
    #[must_use]
    pub fn cache(&self) -> Option<PathBuf> {
        self.cache_dir.clone().or_else(|| self.place())
    }

    /// The directory for what is made once on a machine, whoever runs there.
    #[must_use]
    pub fn machine_cache(&self) -> Option<PathBuf> {
        self.place().or_else(|| self.cache_dir.clone())
    }

    fn place(&self) -> Option<PathBuf> {
        let home = || self.home.as_ref().filter(|home| home.is_absolute()).map(|home| home.join(".cache"));
        let place = self.cache_home.clone().filter(|place| place.is_absolute()).or_else(home);
        place.map(|place| place.join("workmanager/function"))
    }

    pub(crate) fn listen(&self) -> Listen {
        let loopback = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.port);
        self.listen.unwrap_or(Listen::Address(loopback))
    }
}

/// A kind of code, by its language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offered(pub MimeType);

impl FromStr for Offered {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = MimeType::ALL.into_iter().find(|mime_type| mime_type.language() == text.trim());
        found.map(Self).ok_or_else(|| {
            let all = MimeType::ALL.map(MimeType::language).join(", ");
            format!("is not one of {all}")
        })
    }
}

/// Where requests come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// A TCP address of this machine.
    Address(SocketAddr),
    /// A listening socket, inherited as descriptor 0.
    Inherited,
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "stdin" {
            return Ok(Self::Inherited);
        }
        text.parse().map(Self::Address).map_err(|_| "is neither ADDR:PORT nor stdin".to_owned())
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Inherited => f.write_str("stdin"),
        }
    }
}

/// A worker that is given at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Its id or name.
    pub worker: String,
    /// Its source.
    pub file: PathBuf,
}

impl FromStr for Given {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((worker, file)) if !worker.is_empty() && !file.is_empty() => {
                Ok(Self { worker: worker.to_owned(), file: file.into() })
            }
            _ => Err("is not ID=FILE".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Config, clap::Error> {
        let matches = Config::augment_args(clap::Command::new("function").no_binary_name(true));
        Config::from_arg_matches(&matches.try_get_matches_from(arguments)?)
    }

    #[test]
    fn where_it_listens_is_an_address_or_an_inherited_socket() {
        let listen = |text: &str| parse(&["--listen", text]).map(|config| config.listen());
        assert_eq!(listen("stdin").unwrap(), Listen::Inherited);
        assert_eq!(listen("0.0.0.0:8080").unwrap(), Listen::Address(([0, 0, 0, 0], 8080).into()));
        assert!(listen("8080").unwrap_err().to_string().contains("neither ADDR:PORT nor stdin"));
        let default = parse(&["--port", "9"]).unwrap().listen();
        assert_eq!(default, Listen::Address(([127, 0, 0, 1], 9).into()));
    }

    #[test]
    fn a_worker_is_given_with_its_file() {
        let config = parse(&["--worker", "a=b=c.py", "--worker", "d=e.py"]).unwrap();
        let given = |worker: &str, file: &str| Given { worker: worker.into(), file: file.into() };
        assert_eq!(config.workers, [given("a", "b=c.py"), given("d", "e.py")]);
        for bad in ["a", "=b", "a="] {
            assert!(parse(&["--worker", bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_cache_is_where_the_platform_keeps_caches() {
        let mut config = parse(&[]).unwrap();
        (config.cache_dir, config.cache_home, config.home) = (None, None, Some("/u".into()));
        assert_eq!(config.cache(), Some("/u/.cache/workmanager/function".into()));
        config.cache_home = Some("/cache".into());
        assert_eq!(config.cache(), Some("/cache/workmanager/function".into()));
        config.cache_dir = Some("own".into());
        assert_eq!(config.cache(), Some("own".into()));
        assert_eq!(config.machine_cache(), Some("/cache/workmanager/function".into()));
        (config.cache_dir, config.cache_home, config.home) = (None, None, Some("relative".into()));
        assert_eq!(config.cache(), None);
    }
}
