//! Starts the runtime in this process: what the `dotnet` program does, without looking for anything.

use std::{
    env,
    ffi::{CStr, CString, OsStr, c_char, c_int, c_uint, c_void},
    fs, io,
    os::unix::{ffi::OsStrExt as _, process::CommandExt as _},
    path::Path,
    process::{Command, ExitCode},
};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use workmanager_engines_host::NextProgram;

use crate::launch::Launch;

/// `MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED`
const REGISTER_PRIVATE_EXPEDITED: c_int = 1 << 4;

type Initialize = unsafe extern "C" fn(
    program: *const c_char,
    domain_name: *const c_char,
    count: c_int,
    keys: *const *const c_char,
    values: *const *const c_char,
    host: *mut *mut c_void,
    domain: *mut c_uint,
) -> c_int;
type Execute = unsafe extern "C" fn(
    host: *mut c_void,
    domain: c_uint,
    count: c_int,
    arguments: *const *const c_char,
    assembly: *const c_char,
    exit: *mut c_uint,
) -> c_int;
type Shutdown = unsafe extern "C" fn(host: *mut c_void, domain: c_uint, exit: *mut c_int) -> c_int;

/// Confines this process, starts the runtime and runs the program. Returns what `Main` returned.
///
/// # Errors
/// The process cannot be confined, or there is no such runtime.
pub(crate) fn run(launch: &Launch) -> io::Result<ExitCode> {
    prepare(launch.parent)?;
    let next = if launch.muxer.is_some() { NextProgram::Allowed } else { NextProgram::Refused };
    if let Some(confinement) = &launch.confinement
        && let Some(folder) = confinement.enter(next)?
    {
        // SAFETY: there is one thread.
        unsafe { env::set_var("TMPDIR", folder) };
    }
    if let Some(muxer) = &launch.muxer {
        return Err(become_muxer(muxer, launch));
    }
    let properties = properties(launch)?;
    let library = launch.framework.join("libcoreclr.so");
    // SAFETY: the library is the runtime's own; its constructors expect nothing.
    let runtime = unsafe { Runtime::load(&library)? };
    // SAFETY: the symbols have the types of `coreclrhost.h`.
    unsafe { runtime.execute(launch, &properties) }
}

/// Goes on as the `dotnet` program, which takes properties from the environment. Returns only if it cannot.
fn become_muxer(muxer: &Path, launch: &Launch) -> io::Error {
    let mut command = Command::new(muxer);
    command.arg("exec").arg(&launch.application).args(&launch.arguments);
    for (key, value) in &launch.properties {
        let truth = if value == "true" { "1" } else { "0" };
        match key.as_str() {
            "System.GC.Concurrent" => command.env("DOTNET_gcConcurrent", truth),
            "System.GC.HeapHardLimit" => command.env("DOTNET_GCHeapHardLimit", value.trim_start_matches("0x")),
            "System.Globalization.Invariant" => command.env("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", truth),
            _ => continue,
        };
    }
    command.exec()
}

/// What must be done while there is one thread.
fn prepare(parent: u32) -> io::Result<()> {
    // The runtime registers once it has threads, and then waits for all processors to take notice: up to 10 ms.
    // SAFETY: the call takes numbers only. Where there is no such call, the runtime does without it too.
    unsafe { libc::syscall(libc::SYS_membarrier, REGISTER_PRIVATE_EXPEDITED, 0 as c_int, 0 as c_int) };
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let alive = getppid().is_some_and(|now| now.as_raw_pid().unsigned_abs() == parent);
    if !alive {
        return Err(io::Error::other("the process that started it has ended"));
    }
    // Rust's own handlers of faults and their stack are not for managed code.
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: the default action needs no handler.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let none = libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    // SAFETY: no handler runs, so the stack is not in use.
    unsafe { libc::sigaltstack(&raw const none, std::ptr::null_mut()) };
    Ok(())
}

/// Keys and values.
fn properties(launch: &Launch) -> io::Result<Vec<(CString, CString)>> {
    let framework = launch.framework.as_os_str();
    let folder = launch.application.parent().unwrap_or(Path::new("/")).as_os_str();
    let mut properties = vec![
        (c"TRUSTED_PLATFORM_ASSEMBLIES".to_owned(), assemblies(launch)?),
        (c"NATIVE_DLL_SEARCH_DIRECTORIES".to_owned(), text(framework)?),
        (c"APP_CONTEXT_BASE_DIRECTORY".to_owned(), text(folder)?),
        (c"RUNTIME_IDENTIFIER".to_owned(), text(OsStr::new(rid()))?),
    ];
    for (key, value) in &launch.properties {
        properties.push((CString::new(key.as_str())?, CString::new(value.as_str())?));
    }
    Ok(properties)
}

/// Every assembly that can be loaded by name. The first of a name counts, so the program's own come first.
fn assemblies(launch: &Launch) -> io::Result<CString> {
    let mut list = Vec::new();
    for folder in launch.application.parent().into_iter().chain([&*launch.framework]) {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "dll") {
                list.extend_from_slice(path.as_os_str().as_bytes());
                list.push(b':');
            }
        }
    }
    Ok(CString::new(list)?)
}

/// The platform as packages name it. A runtime that is loaded here is built for the same C library.
const fn rid() -> &'static str {
    match (cfg!(target_env = "musl"), cfg!(target_arch = "aarch64")) {
        (false, false) => "linux-x64",
        (false, true) => "linux-arm64",
        (true, false) => "linux-musl-x64",
        (true, true) => "linux-musl-arm64",
    }
}

fn text(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}

/// The functions of `coreclrhost.h`.
struct Runtime {
    initialize: Initialize,
    execute: Execute,
    shutdown: Shutdown,
}

impl Runtime {
    /// # Safety
    /// `library` is a runtime.
    unsafe fn load(library: &Path) -> io::Result<Self> {
        let path = text(library.as_os_str())?;
        // SAFETY: the path ends with a zero.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if handle.is_null() {
            return Err(io::Error::other(last_error()));
        }
        let symbol = |name: &CStr| {
            // SAFETY: the handle is open, the name ends with a zero.
            let symbol = unsafe { libc::dlsym(handle, name.as_ptr()) };
            if symbol.is_null() { Err(io::Error::other(last_error())) } else { Ok(symbol) }
        };
        // SAFETY: these functions have these types in every version of the runtime.
        unsafe {
            Ok(Self {
                initialize: std::mem::transmute::<*mut c_void, Initialize>(symbol(c"coreclr_initialize")?),
                execute: std::mem::transmute::<*mut c_void, Execute>(symbol(c"coreclr_execute_assembly")?),
                shutdown: std::mem::transmute::<*mut c_void, Shutdown>(symbol(c"coreclr_shutdown_2")?),
            })
        }
    }

    /// # Safety
    /// To be called once in a process.
    unsafe fn execute(&self, launch: &Launch, properties: &[(CString, CString)]) -> io::Result<ExitCode> {
        let program = text(env::current_exe()?.as_os_str())?;
        let keys: Vec<_> = properties.iter().map(|(key, _)| key.as_ptr()).collect();
        let values: Vec<_> = properties.iter().map(|(_, value)| value.as_ptr()).collect();
        let (mut host, mut domain) = (std::ptr::null_mut(), 0);
        let count = count(keys.len())?;
        let (keys, values, name) = (keys.as_ptr(), values.as_ptr(), c"workmanager".as_ptr());
        // SAFETY: both lists have `count` texts that live until the end.
        let result =
            unsafe { (self.initialize)(program.as_ptr(), name, count, keys, values, &raw mut host, &raw mut domain) };
        succeeded("coreclr_initialize", result)?;
        let arguments: Result<Vec<_>, _> = launch.arguments.iter().map(|one| CString::new(one.as_str())).collect();
        let arguments = arguments?;
        let pointers: Vec<_> = arguments.iter().map(|one| one.as_ptr()).collect();
        let application = text(launch.application.as_os_str())?;
        let (count, mut exit, mut last) = (self::count(pointers.len())?, 0, 0);
        // SAFETY: the host is initialised, the list has `count` texts that live until the end.
        let result =
            unsafe { (self.execute)(host, domain, count, pointers.as_ptr(), application.as_ptr(), &raw mut exit) };
        succeeded("coreclr_execute_assembly", result)?;
        // SAFETY: the host is initialised and not used after this.
        let result = unsafe { (self.shutdown)(host, domain, &raw mut last) };
        succeeded("coreclr_shutdown_2", result)?;
        Ok(ExitCode::from(u8::try_from(exit & 0xff).unwrap_or(u8::MAX)))
    }
}

fn count(length: usize) -> io::Result<c_int> {
    c_int::try_from(length).map_err(io::Error::other)
}

fn succeeded(what: &str, result: c_int) -> io::Result<()> {
    if result >= 0 { Ok(()) } else { Err(io::Error::other(format!("{what} failed with {result:#010x}"))) }
}

fn last_error() -> String {
    // SAFETY: the text is the library's own and is copied before anything else can fail.
    let error = unsafe { libc::dlerror().as_ref().map(|error| CStr::from_ptr(error)) };
    error.map_or_else(|| "unknown error".to_owned(), |error| error.to_string_lossy().into_owned())
}
