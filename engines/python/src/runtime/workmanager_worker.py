"""A worker process: loads one version and answers attempts, one at a time."""

import sys

import _io
import posix

import workmanager_sandbox as sandbox
from workmanager_wire import CONTRACT, ERROR, JSON, LOAD, LOADED, READY, RESULT, RUNTIME
from workmanager_wire import leave_frames, read_frame, write_frame

MAX_REPLY = 1 << 20
MAX_STACK = 32 << 10
# By errno: EPERM, EACCES.
REFUSED = {
    1: ": a worker starts no processes, sends no signals to others, opens no Unix sockets, and changes neither the "
       "machine nor a file's owner, mode and times",
    13: ": a worker writes to its folder for temporary files only",
}


class Source:
    """Lets stack traces show the worker's lines, which are in no file."""

    def __init__(self, text):
        self.text = text

    def get_source(self, _name):
        return self.text


class LazySite:
    """Makes installed packages importable at the first import that misses: most workers need none, and
    looking for them takes longer than everything else at the start."""

    def find_spec(self, name, path, _target=None):
        if path is not None or name.startswith("_"):
            return None
        sys.meta_path.remove(self)
        import site
        site.main()
        import importlib.machinery
        return importlib.machinery.PathFinder.find_spec(name)


class Unusable(Exception):
    """The code has no entry that can be called."""


class InvalidReply(Exception):
    """The worker's answer is no event."""


class TooLarge(Exception):
    """The worker's answer is larger than the limit."""


def run_worker():
    """Loads one version and answers attempts until the function process closes the socket."""
    posix.register_at_fork(after_in_child=leave_frames)
    sys.stdout = sys.__stdout__ = text_to(1, "<stdout>")
    sys.stderr = sys.__stderr__ = text_to(2, "<stderr>")
    sys.meta_path.append(LazySite())
    import builtins
    builtins.exit = builtins.quit = sys.exit
    write_frame(READY, JSON.head({"pid": posix.getpid(), "contract": CONTRACT, "runtime": RUNTIME}), b"")
    worker = None
    while True:
        frame = read_frame()
        if frame is None:
            return
        kind, head, body = frame
        if kind == LOAD:
            worker = Worker(head)
            answer = worker.load(body)
        else:
            answer = worker.answer(head, body)
        flush()
        write_frame(*answer)
        # Nothing of an attempt outlives it.
        frame = head = body = answer = None


def text_to(descriptor, name):
    """The interpreter opened its streams when they led elsewhere and remembers what it saw there."""
    raw = _io.FileIO(descriptor, "wb", closefd=False)
    raw.name = name
    stream = _io.TextIOWrapper(_io.BufferedWriter(raw), "utf-8", "backslashreplace", None, True)
    stream.mode = "w"
    return stream


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # The worker closed or replaced it.
            pass


class Worker:
    def __init__(self, head):
        manifest = head["manifest"]
        self.file_name = head["fileName"]
        self.policy = head.get("policy")
        self.entry = manifest["engine"].get("entry")
        self.config = manifest["config"]
        self.call = None
        self.loop = None

    def load(self, source):
        try:
            if self.policy:
                sandbox.apply(self.policy)
        except (sandbox.Unconfined, OSError) as error:
            return failure(None, "protocol", True, "the worker's process cannot be confined: %s" % error)
        try:
            name = self.call_entry(bytes(source))
            return LOADED, JSON.head({"entry": name}), b""
        except BaseException as error:
            return self.failed(error, None, "load-failed", False)

    def call_entry(self, source):
        module = type(sys)("worker")
        module.__file__ = self.file_name
        module.__loader__ = Source(source.decode("utf-8", "replace"))
        sys.modules["worker"] = module
        exec(compile(source, self.file_name, "exec", dont_inherit=True), module.__dict__)
        name, self.call = self.find(module.__dict__)
        return name

    def find(self, names):
        if self.entry:
            if self.entry not in names:
                raise Unusable("there is no `%s`, which engine.entry names" % self.entry)
            return self.entry, one_argument(self.entry, names[self.entry])
        for name in ("Process", "handle"):
            if name in names:
                if name == "handle" and positional(names[name]) == 3:
                    return name, self.through(names[name])
                return name, one_argument(name, names[name])
        if "new" in names:
            return "new", self.instance(names["new"])
        raise Unusable("there is no function `Process`; a worker defines `def Process(event)`")

    def instance(self, new):
        if not callable(new):
            raise Unusable("`new` is not callable")
        instance = new()
        start = getattr(instance, "start", None)
        if callable(start):
            self.wait(start(dict(self.config)))
        handle = getattr(instance, "handle", None)
        if not callable(handle):
            raise Unusable("what `new()` returns has no method `handle`")
        return self.through(handle)

    def through(self, handle):
        """The shape of Knative's Python functions for CloudEvents, as a function of the event."""
        def call(event):
            replies = []

            async def receive():
                return event

            async def send(reply):
                replies.append(reply)

            self.wait(handle({"type": "cloudevent", "event": event}, receive, send))
            if len(replies) > 1:
                raise InvalidReply("the worker sent %d replies, one is served" % len(replies))
            return replies[0] if replies else None
        return call

    def wait(self, result):
        """Runs a coroutine to its end; everything else is its own result."""
        if not hasattr(result, "__await__"):
            return result
        if self.loop is None:
            import asyncio
            self.loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self.loop)
        return self.loop.run_until_complete(result)

    def answer(self, head, body):
        attempt = head["attempt"]
        try:
            event = head["event"]
            if self.config:
                event = {**self.config, **event}
            event["data"] = read_data(head["data"], body)
        except (ValueError, RecursionError) as error:
            message = "the event's data cannot be read: %s" % error
            return failure(attempt, "invalid-event", False, message, type(error).__name__)
        try:
            reply = self.call(event)
            if hasattr(reply, "__await__"):
                reply = self.wait(reply)
            if reply is None:
                return RESULT, b'{"attempt":"%b"}' % attempt.encode(), b""
            return encode_reply(attempt, reply)
        except InvalidReply as error:
            return failure(attempt, "invalid-reply", False, str(error))
        except TooLarge as error:
            return failure(attempt, "reply-too-large", False, str(error))
        except BaseException as error:
            return self.failed(error, attempt, "exception", True)

    def failed(self, error, attempt, kind, retryable):
        if isinstance(error, MemoryError):
            kind, retryable = "out-of-memory", True
        try:
            message = one_line(error)
        except BaseException as second:  # A worker's exception may not even be printable.
            message = "%s (which cannot be printed: %s)" % (name_of(error), name_of(second))
        try:
            stack = None if isinstance(error, Unusable) else stack_of(error, self.file_name)
        except BaseException:  # Nor is there always a descriptor or memory left to print it.
            stack = None
        return failure(attempt, kind, retryable, message, name_of(error), stack)


def positional(call):
    code = getattr(call, "__code__", None)
    return code.co_argcount if code else None


def one_argument(name, call):
    """Refuses what can be seen to fail with one argument."""
    if not callable(call):
        raise Unusable("`%s` is %s, not a function" % (name, type(call).__name__))
    code = getattr(call, "__code__", None)
    if code is not None and not isinstance(call, type):
        required = code.co_argcount - len(call.__defaults__ or ())
        if (code.co_argcount == 0 and not code.co_flags & 4) or required > 1:
            raise Unusable("`%s` must take one argument, the event; it takes %d" % (name, required))
    return call


def read_data(kind, body):
    if kind == "json":
        return JSON.loads(str(body, "utf-8"))
    if kind == "text":
        return str(body, "utf-8")
    return bytes(body) if kind == "binary" else None


def encode_reply(attempt, reply):
    if not isinstance(reply, dict):
        raise InvalidReply("the worker returned %s; a reply is a dict or None" % type(reply).__name__)
    attributes, data = {}, None
    has_data = False
    for name, value in reply.items():
        if not isinstance(name, str):
            raise InvalidReply("the reply has the key %r, which is not a string" % (name,))
        name = name.lower()
        if name in attributes or (has_data and name == "data"):
            raise InvalidReply("the reply has the attribute `%s` twice" % name)
        if name == "data":
            data, has_data = value, True
        else:
            attributes[name] = attribute(name, value)
    kind, body = encode_data(data, attributes.get("datacontenttype")) if has_data else ("none", b"")
    head = JSON.head({"attempt": attempt, "reply": attributes, "data": kind})
    if len(head) + len(body) > MAX_REPLY:
        raise TooLarge("the reply has %d bytes, the limit is %d" % (len(head) + len(body), MAX_REPLY))
    return RESULT, head, body


def attribute(name, value):
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if hasattr(value, "isoformat"):
        text = value.isoformat()
        # Without a zone it is taken as UTC, like every time here.
        return text + "Z" if getattr(value, "tzinfo", value) is None else text
    raise InvalidReply(
        "the reply's `%s` is %s; an attribute is a string, a boolean or an integer" % (name, type(value).__name__)
    )


def encode_data(data, content_type):
    if isinstance(data, (bytes, bytearray, memoryview)):
        return "binary", bytes(data)
    if isinstance(data, str) and isinstance(content_type, str) and content_type.lower().startswith("text/"):
        return "text", data.encode("utf-8", "replace")
    try:
        return "json", JSON.dumps(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidReply("the reply's data cannot be written as JSON: %s" % error) from None


# Failures

def failure(attempt, kind, retryable, message, error_type=None, stack=None):
    head = {"outcome": "failed", "kind": kind, "retryable": retryable, "message": message}
    if attempt is not None:
        head["attempt"] = attempt
    if error_type:
        head["errorType"] = error_type
    if stack:
        head["stack"] = stack
    return ERROR, JSON.head(head), b""


def name_of(error):
    kind = type(error)
    home = kind.__module__
    return kind.__qualname__ if home in ("builtins", "worker", __name__) else home + "." + kind.__qualname__


def one_line(error):
    """What happened, for people."""
    lines = str(error).strip().splitlines()
    message = lines[0] if lines else name_of(error)
    if isinstance(error, PermissionError):
        message += REFUSED.get(error.errno, "")
    if isinstance(error, SystemExit):
        message = "the worker called exit(%s)" % ("" if error.code is None else error.code)
    return message[:2000]


def stack_of(error, file_name):
    """The stack from the worker's first line on."""
    import traceback
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != file_name:
        trace = trace.tb_next
    stack = "".join(traceback.format_exception(type(error), error, trace)).rstrip()
    if len(stack) > MAX_STACK:
        stack = stack[: MAX_STACK // 2] + "\n  ...\n" + stack[-MAX_STACK // 2:]
    return stack
