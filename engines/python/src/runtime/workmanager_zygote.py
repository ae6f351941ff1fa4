"""The zygote: started once, forks a child for every worker process.

Its descriptor 3 is a control socket; each message on it carries three descriptors (engine socket,
stdout, stderr) and asks for one child. The child is forked twice, so that its parent becomes the
function process, and speaks frames on its own descriptor 3 from then on.

Only what is needed to answer the first event is imported at the start. The rest is imported when
there is nothing to do.
"""

import sys

import _socket
import posix

from workmanager_wire import ERROR, JSON, RUNTIME, write_frame
from workmanager_worker import run_worker

# What workers use most, smallest first so that a request never waits long for an import to end.
PREWARM = (
    "_ctypes", "resource", "os", "re", "json", "traceback", "linecache", "datetime", "_decimal", "decimal", "typing",
    "uuid", "base64", "hashlib", "random", "collections.abc", "dataclasses", "inspect", "string", "copy", "io",
    "contextlib", "math", "time", "itertools", "signal", "threading", "socket", "selectors", "logging",
    "concurrent.futures", "asyncio.events", "asyncio.base_events", "asyncio",
)
# How long the zygote must have been idle before it imports the first module and each next one, in seconds.
IDLE, BETWEEN = 0.25, 0.01


def serve():
    """Serves fork requests until the function process is gone."""
    parent = posix.getppid()
    posix.closerange(4, 1024)
    control = _socket.socket(fileno=3)
    tell(control, RUNTIME.encode())
    todo = list(PREWARM)
    patience = IDLE
    while True:
        control.settimeout(patience)
        try:
            message, ancillary, _, _ = control.recvmsg(16, _socket.CMSG_SPACE(12))
        except _socket.timeout:
            patience = BETWEEN
            prewarm(todo)
            if not todo:
                patience = None
                tell(control, b"warm")
            continue
        patience = IDLE if todo else None
        if not message:
            return
        descriptors = memoryview(ancillary[0][2]).cast("i").tolist()
        if fork(control, descriptors, parent):
            return run_worker()
        for descriptor in descriptors:
            posix.close(descriptor)


def tell(control, message):
    try:
        control.send(message)
    except OSError:  # The function process is gone; the end of the stream says so too.
        pass


def prewarm(todo):
    name = todo.pop(0)
    try:
        __import__(name)
    except Exception:  # A build without it: the worker that wants it will see why.
        pass
    if not todo:
        import gc
        gc.collect()
        gc.freeze()


def fork(control, descriptors, parent):
    """Makes a child of the function process. Returns true in the child."""
    try:
        intermediate = posix.fork()
    except OSError as error:
        fail = {"outcome": "failed", "kind": "protocol", "retryable": True, "message": "cannot fork: %s" % error}
        write_frame(ERROR, JSON.head(fail), b"", descriptors[0])
        return False
    if intermediate:
        posix.waitpid(intermediate, 0)
        return False
    intermediate = posix.getpid()
    try:
        if posix.fork():
            posix._exit(0)
    except OSError:
        posix._exit(1)
    control.detach()
    posix.setsid()
    engine, stdout, stderr = descriptors
    posix.dup2(engine, 3, False)
    posix.dup2(stdout, 1)
    posix.dup2(stderr, 2)
    posix.closerange(4, 1024)
    die_with(parent, intermediate)
    return True


def die_with(parent, intermediate):
    """Waits until the function process is the parent, and dies with it from then on."""
    while posix.getppid() == intermediate:
        posix.sched_yield()
    prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    if posix.getppid() != parent:
        posix._exit(0)


def prctl(option, value):
    """Calls prctl. Returns whether it worked."""
    try:
        import _ctypes
        address = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")
        return _ctypes.call_function(address, (option, value, 0, 0, 0)) == 0
    except (ImportError, AttributeError, OSError):
        try:
            import ctypes
            return ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0
        except (ImportError, OSError):
            return False


def main():
    # The engine's own bytecode is cached; what workers import is not for us to write.
    sys.dont_write_bytecode = True
    serve()
