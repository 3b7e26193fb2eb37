"""An HTTP proxy that behaves like a faulty network or a crashing peer.

It understands requests and answers. An *action* decides the fate of the next matching requests. It is a
function that takes the Exchange:

    proxy.next(swallow, "POST", "/v1/hits")         the next one is forwarded, its answer dropped
    proxy.next(refuse, "POST", "/v1/hits", times=3)
"""

import socket
import threading
import time

from .http import Ended, Stream, encoded
from .listener import Gone, Listener, reset_at_close
from .wait import PATIENCE_S, until


class Exchange:
    """One request through the proxy, and its outcome."""

    def __init__(self, proxy, link, request):
        self.proxy = proxy
        self.link = link
        self.request = request
        self.answer = None  # counter-svc's answer, delivered or not

    # --- for actions

    def forward(self):
        """Forwards the request and returns the answer."""
        self.answer = self.link.forward(self.request)
        return self.answer

    def send(self, data):
        self.link.client.sendall(data)

    def reply(self):
        """Returns the answer to the client, unchanged."""
        self.send(self.answer.raw)

    def close(self):
        raise Gone

    def reset(self):
        """Ends the connection by RST."""
        reset_at_close(self.link.client)
        raise Gone

    def silence(self):
        """Sends nothing more, and waits until the client closes the connection."""
        self.link.stream.take_all()
        raise Gone

    # --- what tests ask

    @property
    def method(self):
        return self.request.method

    @property
    def path(self):
        return self.request.target.partition("?")[0]

    @property
    def sent(self):
        """The document in the request's body."""
        return self.request.document()

    @property
    def lane(self):
        return self.sent["lane"]

    @property
    def sequence(self):
        return self.sent["sequence"]

    @property
    def hits(self):
        """path → hits of a batch."""
        return dict(zip(self.sent["paths"], self.sent["hits"]))

    @property
    def is_repeat(self):
        """Whether counter-svc answered that it had applied this batch before."""
        return (self.answer is not None and self.answer.status == 200
                and self.answer.document().get("repeat") is True)


# --- actions


def forward(exchange):
    """Forwards the request and returns the answer."""
    exchange.forward()
    exchange.reply()


def swallow(exchange):
    """The request arrives. The answer is dropped, and the connection stays open and silent."""
    exchange.forward()
    exchange.silence()


def drop(exchange):
    """The request arrives. The connection is closed instead of an answer."""
    exchange.forward()
    exchange.close()


def reset(exchange):
    """The request arrives. The connection is reset instead of an answer."""
    exchange.forward()
    exchange.reset()


def cut(exchange):
    """The connection is closed in the middle of the answer."""
    answer = exchange.forward()
    exchange.send(answer.raw[:len(answer.raw) - len(answer.body) // 2 - 1])
    exchange.close()


def twice(exchange):
    """The answer is sent twice."""
    exchange.forward()
    exchange.send(2 * exchange.answer.raw)


def refuse(exchange):
    """The request is dropped, and the connection closed."""
    exchange.close()


def lose(exchange):
    """The request is dropped. The connection stays open and silent."""
    exchange.silence()


def late(seconds):
    """The answer is delayed."""
    def action(exchange):
        exchange.forward()
        time.sleep(seconds)
        exchange.reply()
    return action


class Gate:
    """An action that forwards the request and holds its answer until open(). With
    `before=True` it holds the request itself."""

    def __init__(self, before=False):
        self._before = before
        self._open = threading.Event()
        self.held = []

    def __call__(self, exchange):
        if not self._before:
            exchange.forward()
        self.held.append(exchange)
        self._open.wait(60)
        if self._before:
            exchange.forward()
        exchange.reply()

    def until_held(self, number=1):
        """Waits until this number of requests is held, and returns the first."""
        until(lambda: len(self.held) >= number, f"{number} requests to be held at the proxy")
        return self.held[0]

    def open(self):
        self._open.set()


def answering(status, body=b"{}", media_type="application/json", **headers):
    """The request is dropped. The proxy sends this answer, with the request's id, and keeps the connection."""
    lines = [f"HTTP/1.1 {status} Said-by-a-test", f"Content-Type: {media_type}",
             f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]

    def action(exchange):
        echo = f"X-Request-Id: {exchange.request.header('x-request-id')}"
        exchange.send("\r\n".join([*lines, echo]).encode() + b"\r\n\r\n" + body)
    return action


def lying(change):
    """The request arrives. `change(document)` changes the answer's document in place or returns another one."""
    def action(exchange):
        document = exchange.forward().document()
        document = change(document) or document
        exchange.send(_with_body(exchange.answer, encoded(document, exchange.answer.media_type)))
    return action


def without_rows(exchange):
    """The answer to a batch lacks the rows that the batch requested."""
    def change(document):
        document.pop("rows")
    lying(change)(exchange)


def mangling(change):
    """The request arrives. `change(raw)` returns the changed bytes of the answer."""
    def action(exchange):
        exchange.send(change(exchange.forward().raw))
    return action


def _with_body(answer, body):
    lines = [answer.start] + [f"{name}: {value}" for name, value in answer.headers
                              if name not in ("content-length", "transfer-encoding")]
    return "\r\n".join([*lines, f"content-length: {len(body)}"]).encode() + b"\r\n\r\n" + body


# --- the proxies


class _Link:
    """One client connection and its connection to the target."""

    def __init__(self, client, number):
        self.client = client
        self.stream = Stream(client)
        self.number = number
        self.is_open = True  # until the client or an action closes it
        self._upstream = self._to = None

    def forward(self, request):
        target = self.target
        if self._upstream is None or self._to != target:
            self.close()
            sock = socket.create_connection(target, PATIENCE_S)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(60)
            self._upstream, self._to = Stream(sock), target
        self._upstream.sock.sendall(request.raw)
        return self._upstream.message(is_answer=True, to_method=request.method)

    def close(self):
        if self._upstream is not None:
            self._upstream.sock.close()
            self._upstream = None


class HttpProxy(Listener):
    """A proxy before a counter-svc. `target` may be changed at any time; `seen` holds every
    exchange so far."""

    def __init__(self, target, host="127.0.0.1", port=0):
        self.target = target
        self.seen = []
        self._plans = []
        self._links = 0
        super().__init__(host, port)

    def next(self, action, method, path, times=1):
        """Sets the action for the next `times` requests without one. `path` is the target without its query."""
        with self._lock:
            self._plans.append([method, path, action, times])

    def always(self, action, method, path):
        """Sets the action for every such request until forget_plans()."""
        self.next(action, method, path, times=float("inf"))

    def forget_plans(self):
        with self._lock:
            self._plans.clear()

    def _action_for(self, exchange):
        with self._lock:
            for plan in self._plans:
                if plan[:2] == [exchange.method, exchange.path] and plan[3] > 0:
                    plan[3] -= 1
                    return plan[2]
        return forward

    def _serve(self, client):
        self._links += 1
        link = _Link(client, self._links)
        try:
            while True:
                request = link.stream.message(is_answer=False)
                exchange = Exchange(self, link, request)
                self.seen.append(exchange)
                link.target = self.target
                self._action_for(exchange)(exchange)
        except Ended:
            pass
        finally:
            link.is_open = False
            link.close()

    # --- what tests ask

    def requests(self, method, path):
        return [x for x in list(self.seen) if x.method == method and x.path == path]

    @property
    def batches(self):
        """Every POST /v1/hits so far."""
        return self.requests("POST", "/v1/hits")

    @property
    def repeats(self):
        """The number of batches that counter-svc answered as repeats."""
        return sum(batch.is_repeat for batch in self.batches)

    def until_batches(self, number):
        until(lambda: len(self.batches) >= number, f"{number} batches at the proxy")
        return self.batches
