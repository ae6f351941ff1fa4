"""What a worker's process does to itself before the worker's code runs.

The policy comes from the host: numbers and bytes that go to the kernel as they are. What is in it is
applied, or nothing runs. Only C modules are imported, as in `workmanager_wire`.
"""

import sys

import _ctypes
import posix

LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
PATH_BENEATH = 1
SET_FILTER = 1
NO_LIMIT = (1 << 64) - 1


class Unconfined(Exception):
    """This system does not let the process be confined as it should be."""


class Long(_ctypes._SimpleCData):
    _type_ = "l"


class Byte(_ctypes._SimpleCData):
    _type_ = "B"


class Function(_ctypes.CFuncPtr):
    """`syscall`; what it sets `errno` to is kept."""

    _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
    _restype_ = Long
    _argtypes_ = (Long,) * 5


SYSCALL = Function(_ctypes.dlsym(_ctypes.dlopen(None, 0), "syscall"))


def call(what, number, one=0, two=0, three=0, four=0):
    result = SYSCALL(number, one, two, three, four)
    if result < 0:
        raise Unconfined("%s: %s" % (what, posix.strerror(_ctypes.get_errno())))
    return result


def pinned(data):
    """A copy of `data` that stays where it is, and its address."""
    copy = (Byte * len(data)).from_buffer_copy(data)
    return copy, _ctypes.addressof(copy)


def integer(value, size=8):
    return value.to_bytes(size, sys.byteorder)


def apply(policy):
    """Confines this process for ever."""
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
    write("/proc/self/oom_score_adj", b"%d" % limits["oom"])
    for kind, value in limits["values"]:
        limit_one(limits["call"], kind, value)
    kind, value = limits["memory"]
    # The worker's own memory comes on top of what the interpreter has mapped already.
    statm = posix.open("/proc/self/statm", posix.O_RDONLY)
    pages = int(posix.read(statm, 128).split()[0])
    posix.close(statm)
    limit_one(limits["call"], kind, value + pages * posix.sysconf("SC_PAGE_SIZE"))


def limit_one(number, kind, value):
    now, address = pinned(bytes(16))
    call("limit %d" % kind, number, 0, kind, 0, address)
    hard = int.from_bytes(bytes(now)[8:], sys.byteorder)
    value = integer(min(value, hard, NO_LIMIT))
    wanted, address = pinned(value + value)
    call("limit %d" % kind, number, 0, kind, address)


def write(path, data):
    """Where it cannot be written it is not that important."""
    try:
        file = posix.open(path, posix.O_WRONLY)
        try:
            posix.write(file, data)
        finally:
            posix.close(file)
    except OSError:
        pass


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
    copy, address = pinned(ruleset)
    rules = call("landlock", LANDLOCK_CREATE_RULESET, address, len(ruleset))
    for path, access in ((folder, landlock["folder"]), ("/dev/null", landlock["null"])):
        if path is None:
            continue
        file = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        rule, address = pinned(integer(access) + integer(file, 4))
        call("landlock, " + path, LANDLOCK_ADD_RULE, rules, PATH_BENEATH, address)
        posix.close(file)
    call("landlock", LANDLOCK_RESTRICT_SELF, rules)
    posix.close(rules)


def drop_all(capabilities):
    header, at_header = pinned(bytes.fromhex(capabilities["header"]))
    data, at_data = pinned(bytes.fromhex(capabilities["data"]))
    call("capabilities", capabilities["call"], at_header, at_data)


def install(filter):
    steps = bytes.fromhex(filter["program"])
    copy, address = pinned(steps)
    program, address = pinned(integer(len(steps) // 8) + integer(address))
    call("seccomp", filter["call"], SET_FILTER, filter["flags"], address)
