"""A client of render-svc's public API. It checks every answer against proto/public-api.yml."""

import csv
import io
import json
import time
from urllib.parse import quote

from . import contract
from .http import Connection, ask
from .wait import PATIENCE_S

JSON = {"Accept": "application/json"}


class Face:
    def __init__(self, address):
        self.address = address

    def ask(self, method, target, headers=None, body=None, **keywords):
        """Sends one request and checks the answer against the contract."""
        answer = ask(self.address, method, target, headers, body, **keywords)
        contract.PUBLIC.check(method, target, answer)
        return answer

    def get(self, target, headers=None, **keywords):
        return self.ask("GET", target, headers, **keywords)

    def json(self, target):
        answer = self.get(target, JSON)
        assert answer.status == 200, f"{target}: {answer.start} {answer.body[:300]!r}"
        assert answer.media_type == "application/json"
        return answer.json()

    def path(self, path):
        """The details of a path."""
        return self.json("/-/paths" + quote(path))

    def pages(self, target):
        """The pages of a view, from this one to the last."""
        while target is not None:
            page = self.json(target)
            yield page
            target = page["next"]


def rows_of(page):
    """(path, count) of a page's rows."""
    return [(row["path"], row["count"]) for row in page["rows"]]


def read_csv(answer):
    """The lines of a CSV answer without the header line, which must be present."""
    assert answer.header("content-type") == "text/csv; charset=utf-8; header=present"
    return lines_of(answer.text)


def lines_of(text):
    assert text.endswith("\r\n")
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))[1:]


class Watcher:
    """A client of /-/live, which reads one event after the other. `at` is the base path."""

    def __init__(self, address, query="", last=None, timeout=PATIENCE_S, at=""):
        self.connection = Connection(address, timeout)
        self.connection.send("GET", f"{at}/-/live{query}", {"Last-Event-ID": last} if last else {})
        head = self.connection.stream.take_until(b"\r\n\r\n").decode("latin-1")
        assert head.startswith("HTTP/1.1 200 "), head
        assert "content-type: text/event-stream\r\n" in head.lower()
        self._text = ""

    def _block(self):
        """The next lines, up to an empty line."""
        stream = self.connection.stream
        while "\n\n" not in self._text:
            size = int(stream.take_until(b"\r\n"), 16)
            self._text += stream.take(size).decode()
            stream.take_until(b"\r\n")
            if size == 0:
                raise EOFError("the stream has ended")
        block, _, self._text = self._text.partition("\n\n")
        return block

    def next(self, seconds=2 * PATIENCE_S):
        """(event, id, data) of the next event. Skips other lines, such as the comments that keep the
        connection alive."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            fields = dict(line.partition(": ")[::2] for line in self._block().split("\n"))
            if "data" not in fields:
                continue
            data = json.loads(fields["data"])
            schema = contract.PUBLIC.document()["components"]["schemas"][fields["event"].capitalize()]
            contract.PUBLIC.validate(data, schema)
            return fields["event"], fields["id"], data
        raise AssertionError(f"no event within {seconds} s")

    def until(self, condition, seconds=2 * PATIENCE_S):
        """The first event whose data meets a condition."""
        deadline = time.monotonic() + seconds
        while True:
            event = self.next(deadline - time.monotonic())
            if condition(event[2]):
                return event

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
