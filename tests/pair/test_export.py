"""Exports of the whole table as CSV: complete, with bounded memory, a few at a time. test_cut_short.py tests
exports that cannot be completed."""

import os
import socket
import time
import urllib.parse

import pytest

from harness.face import Face, lines_of, read_csv
from harness.http import Connection, hit
from harness.proxy import drop, swallow
from harness.services import BUILD_DIR
from harness.wait import Later, holds_for, until

SANITIZED = os.path.basename(BUILD_DIR) != "build"

EVERYTHING = "/-/paths?format=csv"


def fill(ledger, rows, length=20):
    """Writes this number of rows into the ledger."""
    ledger.edited(f"INSERT INTO pathcount (path, count) SELECT '/' || lpad(n::text, {length - 1}, '0'), n % 1000 + 1 "
               f"FROM generate_series(1, {rows}) AS n")


def begin(address, slow=False):
    """A connection on which an export has begun. Only its head was read. `slow`: the client's kernel buffers
    little."""
    connection = Connection(address)
    if slow:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.send("GET", EVERYTHING)
    head = connection.stream.take_until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    return connection


def rest_of(connection):
    """The text of the remaining chunks."""
    text = b""
    while size := int(connection.stream.take_until(b"\r\n"), 16):
        text += connection.stream.take(size)
        connection.stream.take_until(b"\r\n")
    return text


@pytest.mark.parametrize("rows", [0, 1, 999, 1000, 1001, 3500])
def test_everything_is_there_in_order_of_paths(stage, rows):
    pair = stage.pair()
    fill(pair.ledger, rows)
    answer = Face(pair.address).get(EVERYTHING)
    assert "attachment" in answer.header("content-disposition")
    found = [(path, int(count)) for path, count in read_csv(answer)]
    assert found == sorted(pair.ledger.counts().items())


def test_fields_are_quoted_as_spreadsheets_read_them(stage):
    pair = stage.pair()
    odd = {'/"': 1, "/,": 2, "/a\r\nb": 3, "/;\t'": 4, "/é😀": 5, "/ ": 6, "/\x01": 7, "/=1+1": 8}
    pair.api.count(odd)
    answer = Face(pair.address).get(EVERYTHING)
    assert {path: int(count) for path, count in read_csv(answer)} == odd
    assert b'"/""",1\r\n' in answer.body


def test_everything_with_a_prefix_or_behind_a_path(stage):
    pair = stage.pair()
    pair.api.count({"/a": 1, "/a/b": 2, "/b": 3})
    face = Face(pair.address)
    assert read_csv(face.get(EVERYTHING + "&prefix=/a")) == [["/a", "1"], ["/a/b", "2"]]
    assert read_csv(face.get(EVERYTHING + "&after=/a")) == [["/a/b", "2"], ["/b", "3"]]
    assert read_csv(face.get(EVERYTHING + "&limit=1")) == [["/b", "3"]]  # an ordinary view, ordered by count


def test_an_export_has_each_old_row_once_while_new_ones_come(stage):
    pair = stage.pair()
    fill(pair.ledger, 5000)
    stay = set(pair.ledger.counts())
    exported = Later(Face(pair.address).get, EVERYTHING)
    while not exported.done:
        hit(pair.address, f"/come/{time.monotonic()}")
    paths = [path for path, _ in read_csv(exported.result())]
    assert len(set(paths)) == len(paths) and stay <= set(paths)


def test_a_large_export_needs_the_memory_of_one_page(stage):
    pair = stage.pair()
    fill(pair.ledger, 100000, 100)
    render = stage.render(pair.counter)  # without the proxy, which would keep every answer
    Face(render.address).get(EVERYTHING + "&prefix=/00000")
    before = render.memory_bytes()
    connection = begin(render.address)
    size = 0
    while chunk := int(connection.stream.take_until(b"\r\n"), 16):
        size += len(connection.stream.take(chunk))
        connection.stream.take_until(b"\r\n")
        assert render.memory_bytes() - before < 4096 * 1024 or SANITIZED  # a sanitizer keeps freed memory
    assert size > 10_000_000


def test_pages_are_read_only_as_the_client_takes_them(stage):
    pair = stage.pair()
    fill(pair.ledger, 100000, 200)
    seen = []
    pair.proxy.next(lambda exchange: (seen.append(1), exchange.forward(), exchange.reply()), "GET", "/v1/paths",
                    times=1000)
    connection = begin(pair.address, slow=True)
    until(lambda: seen and (held := len(seen)) and holds_for(lambda: len(seen) == held, 1), "the reads to pause")
    assert len(seen) < 60  # the sockets hold a few pages of the 100
    connection.close()
    assert hit(pair.address, "/still/there") == 1


def test_a_failed_page_is_read_again(stage):
    pair = stage.pair(render_keys={"call_deadline_ms": 300})
    fill(pair.ledger, 3000)
    for mishap in (drop, swallow):
        pair.proxy.next(mishap, "GET", "/v1/paths")
    assert len(read_csv(Face(pair.address).get(EVERYTHING))) == 3000


def test_an_export_can_be_continued_after_a_path(stage):
    pair = stage.pair()
    fill(pair.ledger, 2500)
    face = Face(pair.address)
    first = read_csv(face.get("/-/paths?format=csv&order=path&limit=1000"))
    rest = read_csv(face.get(EVERYTHING + "&after=" + urllib.parse.quote(first[-1][0])))
    assert len(first + rest) == 2500 and (first + rest) == sorted(first + rest)


def test_exports_beyond_max_exports_get_503(stage):
    pair = stage.pair(render_keys={"max_exports": 2})
    fill(pair.ledger, 100000, 200)
    first, second = begin(pair.address, slow=True), begin(pair.address, slow=True)
    answer = Face(pair.address).get(EVERYTHING)
    assert answer.status == 503 and answer.header("retry-after")
    # with a limit it is a view, not an export
    assert Face(pair.address).get("/-/paths?format=csv&limit=10").status == 200
    first.close()
    until(lambda: Face(pair.address).get(EVERYTHING + "&prefix=/none").status == 200, "a place to be free")
    second.close()


def test_a_stop_waits_for_an_export_that_is_read(stage):
    pair = stage.pair()
    fill(pair.ledger, 30000, 100)
    connection = begin(pair.address)
    stopping = Later(pair.render.stop)
    until(lambda: pair.render.events("stopping"), "the stop to begin")
    assert len(lines_of(rest_of(connection).decode())) == 30000
    stopping.result()
