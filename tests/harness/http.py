"""HTTP/1.1 on a plain socket, so that tests control every byte on the wire.

HTTP libraries normalise targets and hide the state of connections, and tests check both. The clients, the
proxy and the load share this parser.
"""

import contextlib
import json
import socket
from dataclasses import dataclass, field

import msgpack

from .wait import PATIENCE_S

BODYLESS = {204, 304}

MEDIA_JSON = "application/json"
MEDIA_MSGPACK = "application/vnd.msgpack"


def encoded(document, media_type):
    """Encodes a document as the body of a message of this media type."""
    return msgpack.packb(document) if media_type == MEDIA_MSGPACK else json.dumps(document).encode()


class Ended(ConnectionError):
    """The peer closed the connection before the message was complete."""


@dataclass
class Message:
    """A received request or answer: `start` is its first line, `raw` all of its bytes."""

    start: str
    headers: list
    body: bytes
    raw: bytes = field(repr=False, default=b"")

    def header(self, name, default=None):
        """The values of a header, joined by commas as RFC 9110 allows, or `default`."""
        values = [value for key, value in self.headers if key == name.lower()]
        return ", ".join(values) if values else default

    @property
    def status(self):
        return int(self.start.split(" ", 2)[1])

    @property
    def method(self):
        return self.start.split(" ", 1)[0]

    @property
    def target(self):
        return self.start.split(" ")[1]

    @property
    def media_type(self):
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    @property
    def closes(self):
        """Whether the sender will close the connection after this message."""
        return "close" in (self.header("connection") or "").lower()

    @property
    def text(self):
        return self.body.decode("utf-8")

    def json(self):
        return json.loads(self.body)

    def document(self):
        """The document in the body, in either encoding."""
        return msgpack.unpackb(self.body) if self.media_type == MEDIA_MSGPACK else self.json()


class Stream:
    """A socket, and the bytes that were read from it ahead of their use."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""

    def _fill(self):
        chunk = self.sock.recv(65536)
        if not chunk:
            raise Ended(f"closed by the peer after {self.buffer[:200]!r}")
        self.buffer += chunk

    def take_until(self, mark):
        while (end := self.buffer.find(mark)) < 0:
            self._fill()
        return self.take(end + len(mark))

    def take(self, size):
        while len(self.buffer) < size:
            self._fill()
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def take_all(self):
        """All bytes until the peer closes."""
        try:
            while True:
                self._fill()
        except Ended:
            return self.take(len(self.buffer))

    def message(self, is_answer, to_method="GET"):
        """The next request or answer. Raises Ended if the connection ends first."""
        head = self.take_until(b"\r\n\r\n")
        start, *lines = head[:-4].decode("latin-1").split("\r\n")
        headers = []
        for line in lines:
            name, _, value = line.partition(":")
            headers.append((name.strip().lower(), value.strip()))
        message = Message(start, headers, b"", head)
        if is_answer and 100 <= message.status < 200:
            return self.message(is_answer, to_method)
        if is_answer and (to_method == "HEAD" or message.status in BODYLESS):
            return message
        length = message.header("content-length")
        if "chunked" in (message.header("transfer-encoding") or "").lower():
            self._chunks(message)
        elif length is not None:
            message.body = self.take(int(length))
            message.raw += message.body
        elif is_answer:
            message.body = self.take_all()
            message.raw += message.body
        return message

    def _chunks(self, message):
        while True:
            line = self.take_until(b"\r\n")
            size = int(line.split(b";")[0], 16)
            chunk = self.take(size) if size else b""
            end = self.take_until(b"\r\n")
            message.raw += line + chunk + end
            message.body += chunk
            if size == 0:
                return


def request_bytes(method, target, headers=None, body=None, host="pathcount.test"):
    """A request as bytes. `target` may be bytes, for targets that no library would send."""
    target = target if isinstance(target, bytes) else target.encode("utf-8")
    lines = [method.encode() + b" " + target + b" HTTP/1.1", b"Host: " + host.encode()]
    for name, value in (headers or {}).items():
        lines.append(f"{name}: {value}".encode("utf-8"))
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


class Connection:
    """A kept-alive client connection."""

    def __init__(self, address, timeout=PATIENCE_S, source=None):
        self.sock = socket.create_connection(address, timeout, source_address=source)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = Stream(self.sock)
        self._method = "GET"

    def send(self, method, target, headers=None, body=None):
        self._method = method
        self.sock.sendall(request_bytes(method, target, headers, body))

    def receive(self):
        return self.stream.message(is_answer=True, to_method=self._method)

    def ask(self, method, target, headers=None, body=None):
        self.send(method, target, headers, body)
        return self.receive()

    def is_closed_by_peer(self):
        """Whether the peer has closed the connection without sending another byte."""
        self.sock.settimeout(0.01)
        try:
            return self.sock.recv(1) == b""
        except socket.timeout:
            return False
        except ConnectionError:
            return True

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ask(address, method, target, headers=None, body=None, timeout=PATIENCE_S, source=None):
    """Sends one request on a new connection and returns the answer."""
    with Connection(address, timeout, source) as connection:
        return connection.ask(method, target, {"Connection": "close", **(headers or {})}, body)


JSON = {"Accept": "application/json"}
MINIMAL = {"Accept": "application/json", "Prefer": "return=minimal"}


@contextlib.contextmanager
def connected(address, count=1, receive_bytes=None):
    """Opens sockets to a service and closes them at the end. `receive_bytes` limits their receive buffers."""
    with contextlib.ExitStack() as stack:
        socks = []
        for _ in range(count):
            sock = stack.enter_context(socket.socket())
            if receive_bytes:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
            sock.settimeout(PATIENCE_S)
            sock.connect(address)
            socks.append(sock)
        yield socks


def read_to_end(sock):
    """All bytes until the connection ends, and how it ends: "closed" or "reset"."""
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
        return data, "closed"
    except ConnectionResetError:
        return data, "reset"


def get(address, target, headers=None, **keywords):
    return ask(address, "GET", target, headers, **keywords)


def hit(address, target, **keywords):
    """Counts a hit of `target` and returns its count. Fails on any status other than 200."""
    answer = get(address, target, MINIMAL, **keywords)
    assert answer.status == 200, f"{target!r}: {answer.start} {answer.body[:300]!r}"
    return answer.json()["count"]


def hit_in_full(address, target, **keywords):
    """Counts a hit of `target` and returns the JSON document with rows and totals."""
    answer = get(address, target, JSON, **keywords)
    assert answer.status == 200, f"{target!r}: {answer.start} {answer.body[:300]!r}"
    return answer.json()


def is_refused(address):
    """Whether nothing listens at this address."""
    try:
        socket.create_connection(address, 2).close()
    except ConnectionRefusedError:
        return True
    except ConnectionError:
        return False
    return False
