"""What a worker's process does to itself before the worker's code runs.

The policy comes from the host: numbers and bytes that go to the kernel as they are. What is in it is
applied, or nothing runs. Only C modules are imported, as in `workmanager_wire`.
"""

import sys

import posix

try:
    import _ctypes
except ImportError:
    _ctypes = None

LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
PATH_BENEATH = 1
SET_FILTER = 1


class Unconfined(Exception):
    """This system does not let the process be confined as it should be."""


if _ctypes:
    class Long(_ctypes._SimpleCData):
        _type_ = "l"

    class Pointer(_ctypes._SimpleCData):
        """To the content of a bytes object."""

        _type_ = "z"

    class Function(_ctypes.CFuncPtr):
        """What it sets `errno` to is kept."""

        _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
        _restype_ = Long

    SYSCALL = Function(_ctypes.dlsym(_ctypes.dlopen(None, 0), "syscall"))


def call(what, *arguments):
    """Arguments are small numbers, or bytes that the kernel reads."""
    result = SYSCALL(*arguments)
    if result < 0:
        raise Unconfined("%s: %s" % (what, posix.strerror(_ctypes.get_errno())))
    return result


def integer(value, size=8):
    return value.to_bytes(size, sys.byteorder)


def apply(policy):
    """Confines this process for ever."""
    if _ctypes is None:
        raise Unconfined("this Python is built without _ctypes")
    limit(policy["limits"])
    folder = own_folder(policy["folders"]) if "folders" in policy else None
    if "landlock" in policy:
        keep_to(folder, policy["landlock"])
    if "capabilities" in policy:
        drop_all(policy["capabilities"])
    # The last one: it refuses what the others need.
    if "filter" in policy:
        install(policy["filter"])


def limit(limits):
    for kind, value in limits["values"]:
        limit_one(limits["call"], kind, value)
    kind, value, most = limits["memory"]
    # The worker's own memory comes on top of what the interpreter has mapped already.
    statm = posix.open("/proc/self/statm", posix.O_RDONLY)
    value += int(posix.read(statm, 128).split()[0]) * posix.sysconf("SC_PAGE_SIZE")
    posix.close(statm)
    limit_one(limits["call"], kind, value if most is None else min(value, most))


def limit_one(number, kind, value):
    call("limit %d" % kind, number, 0, kind, integer(value) * 2, 0)


def own_folder(folders):
    """Makes the folder where temporary files go; the host removes it."""
    folder = "%s/%d" % (folders, posix.getpid())
    posix.mkdir(folder, 0o700)
    posix.environ[b"TMPDIR"] = folder.encode()
    posix.putenv(b"TMPDIR", folder.encode())
    if "os" in sys.modules:
        sys.modules["os"].environ["TMPDIR"] = folder
    return folder


def keep_to(folder, landlock):
    ruleset = bytes.fromhex(landlock["ruleset"])
    rules = call("landlock", LANDLOCK_CREATE_RULESET, ruleset, len(ruleset), 0)
    for path, access in ((folder, landlock["folder"]), ("/dev/null", landlock["null"])):
        if path is None:
            continue
        file = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        call("landlock of " + path, LANDLOCK_ADD_RULE, rules, PATH_BENEATH, integer(access) + integer(file, 4), 0)
        posix.close(file)
    call("landlock", LANDLOCK_RESTRICT_SELF, rules, 0)
    posix.close(rules)


def drop_all(capabilities):
    header, data = capabilities["header"], capabilities["data"]
    call("capabilities", capabilities["call"], bytes.fromhex(header), bytes.fromhex(data))


def install(filter):
    steps = bytes.fromhex(filter["program"])
    program = integer(len(steps) // 8) + bytes(Pointer(steps))
    call("seccomp", filter["call"], SET_FILTER, filter["flags"], program)
