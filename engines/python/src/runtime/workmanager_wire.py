"""What crosses the engine's socket: frames, and the JSON in them.

Only C modules are imported here: what `json` itself pulls in takes longer than starting the interpreter.
"""

import sys

import _json
import posix

CONTRACT = 1
ATTEMPT, RESULT, ERROR, LOAD, READY, LOADED = 1, 3, 4, 5, 6, 7
RUNTIME = "CPython %d.%d.%d" % sys.version_info[:3]


class Json:
    """Strict JSON by the C accelerators, without the regular expressions that `json` compiles."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo = {}

    def __init__(self):
        self.scan = _json.make_scanner(self)
        self.marks = {}
        item = _json.encode_basestring
        self.encode = _json.make_encoder(self.marks, refuse, item, None, ":", ",", False, False, False)
        ascii_item = _json.encode_basestring_ascii
        self.encode_ascii = _json.make_encoder(self.marks, refuse, ascii_item, None, ":", ",", False, False, False)

    def loads(self, text):
        text = text.strip(" \t\n\r")
        try:
            value, end = self.scan(text, 0)
        except StopIteration as stop:
            raise ValueError("no JSON value at character %s" % stop.value) from None
        except SystemError:  # CPython 3.10 and 3.11, as long as nobody has imported `json`.
            raise ValueError("not a JSON text") from None
        if end != len(text):
            raise ValueError("text after the JSON value at character %d" % end)
        return value

    def dumps(self, value):
        """UTF-8, compact. A lone surrogate has no UTF-8, so then everything is escaped."""
        try:
            text = "".join(self.encode(value, 0))
            try:
                return text.encode()
            except UnicodeEncodeError:
                return "".join(self.encode_ascii(value, 0)).encode()
        finally:
            self.marks.clear()

    def head(self, value):
        """A head: always readable, even if a worker's text is no Unicode."""
        return "".join(self.encode(value, 0)).encode("utf-8", "replace")


def refuse(value):
    raise TypeError("%s is not a JSON value" % type(value).__name__)


JSON = Json()


# Frames on descriptor 3

REST = b""
FORKED = False


def leave_frames():
    """A process that the worker itself forked speaks no frames."""
    global FORKED
    if not FORKED:
        FORKED = True
        posix.close(3)


def write_frame(kind, head, body, descriptor=3):
    if FORKED:
        posix._exit(0)
    size = len(head) + len(body) + 5
    prefix = b"%b%c%b" % (size.to_bytes(4, "big"), kind, len(head).to_bytes(4, "big"))
    done = posix.writev(descriptor, (prefix, head, body))
    if done < size + 4:
        rest = memoryview(b"".join((prefix, head, body)))[done:]
        while rest:
            rest = rest[posix.write(descriptor, rest):]


def read_frame():
    """The next frame as kind, head and body; None at the end. The body may be a view."""
    global REST
    data = REST or posix.read(3, 65536)
    while len(data) < 9:
        more = posix.read(3, 65536)
        if not more:
            return None
        data += more
    size = 4 + int.from_bytes(data[:4], "big")
    if len(data) < size:
        have = len(data)
        whole = bytearray(size)
        whole[:have] = data
        view = memoryview(whole)
        while have < size:
            count = posix.readv(3, (view[have:],))
            if not count:
                return None
            have += count
        data, REST = view, b""
    else:
        REST = data[size:]
    start = 9 + int.from_bytes(data[5:9], "big")
    return data[4], JSON.loads(str(data[9:start], "utf-8")), data[start:size]
