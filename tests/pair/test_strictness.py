"""Strict HTTP/1.1, byte by byte. The public listener, the internal one and both admin listeners refuse
everything that two programs might interpret differently, and close the connection."""

import re
import socket

import pytest

from harness import contract
from harness.http import Ended, Stream
from harness.services import TOKEN
from harness.wait import PATIENCE_S

HOST = b"Host: pathcount.test\r\n"
AUTHORIZATION = f"Authorization: Bearer {TOKEN}\r\n".encode()
NEXT = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.fixture(params=["public", "internal", "render's admin", "counter's admin"])
def listener(request, pair):
    """The listeners to test: (address, headers of every request, a path that is answered 200)."""
    return {"public": (pair.render.address, b"", b"/strict"),
            "internal": (pair.counter.address, AUTHORIZATION, b"/v1/totals"),
            "render's admin": (pair.render.admin, b"", b"/live"),
            "counter's admin": (pair.counter.admin, b"", b"/live")}[request.param]


def send(address, *pieces):
    """Sends bytes. Returns the answers until the connection ends or nothing more arrives for a moment, and
    whether the connection was closed."""
    with socket.create_connection(address, PATIENCE_S) as sock:
        for piece in pieces:
            sock.sendall(piece)
        stream, answers = Stream(sock), []
        try:
            while not answers or answers[-1].closes:
                answers.append(stream.message(is_answer=True))
        except (Ended, ConnectionResetError):
            return answers, True
        return answers, False


def assert_refused(address, request, status=400):
    """Checks that the request gets one answer with this status, that the connection ends, and that nothing after
    the request is processed."""
    answers, closed = send(address, request + NEXT)
    assert [answer.status for answer in answers] == [status], answers
    assert closed and answers[0].closes
    return answers[0]


def assert_refused_clearly(address, request, word, status=400):
    answer = assert_refused(address, request, status)
    contract.check_problem(answer)
    assert re.search(word, answer.json()["detail"]), answer.json()["detail"]


def post(extra, body=b"", version=b"1.1", path=b"/-/hit/strict"):
    """A request with these header lines."""
    return b"POST " + path + b" HTTP/" + version + b"\r\n" + HOST + extra + b"\r\n" + body


# --- valid requests

RIGHT = {
    "plain": b"GET %s HTTP/1.1\r\n" + HOST + b"\r\n",
    "no white space before a value": b"GET %s HTTP/1.1\r\nHost:pathcount.test\r\n\r\n",
    "names in any case": b"GET %s HTTP/1.1\r\nhOsT: pathcount.test\r\n\r\n",
    "a host with a port": b"GET %s HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n",
    "white space around a value": b"GET %s HTTP/1.1\r\nHost: \t pathcount.test \r\n\r\n",
    "an empty line before": b"\r\nGET %s HTTP/1.1\r\n" + HOST + b"\r\n",
    "a later minor version": b"GET %s HTTP/1.9\r\n" + HOST + b"\r\n",
    "names that only begin alike": b"GET %s HTTP/1.1\r\n" + HOST + b"Hosts: a\r\nContent-Lengths: x\r\n\r\n",
    "an empty body": b"GET %s HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n",
    "100 header lines": b"GET %s HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 98 + b"\r\n",
}


@pytest.mark.parametrize("name", RIGHT)
def test_valid_requests_are_answered(listener, name):
    address, headers, path = listener
    request = (RIGHT[name] % path)[:-2] + headers + b"\r\n"
    if name == "100 header lines" and not headers:
        request = request[:-2] + b"A: b\r\n\r\n"
    answers, closed = send(address, request)
    assert [answer.status for answer in answers] == [200]
    assert closed == answers[0].closes  # a hit with a body closes the connection


def test_http_1_0_needs_no_host(listener):
    address, headers, path = listener
    answers, closed = send(address, b"GET " + path + b" HTTP/1.0\r\n" + headers + b"\r\n")
    assert [answer.status for answer in answers] == [200] and closed


def test_a_head_that_arrives_byte_by_byte_is_valid(listener):
    address, headers, path = listener
    request = b"GET " + path + b" HTTP/1.1\r\n" + HOST + headers + b"\r\n"
    answers, _ = send(address, *(bytes([byte]) for byte in request))
    assert [answer.status for answer in answers] == [200]


def test_pipelined_requests_are_answered_in_order_until_one_is_refused(listener):
    address, headers, path = listener
    good = b"GET " + path + b" HTTP/1.1\r\n" + HOST + headers + b"\r\n"
    with socket.create_connection(address, PATIENCE_S) as sock:
        sock.sendall(good + good + b"GET " + path + b" HTTP/1.1\r\n" + HOST + HOST + b"\r\n" + good)
        stream = Stream(sock)
        assert [stream.message(True).status for _ in range(3)] == [200, 200, 400]
        with pytest.raises((Ended, ConnectionResetError)):
            stream.message(True)


# --- the request line

@pytest.mark.parametrize("target", [
    b"http://pathcount.test/strict", b"HTTP://pathcount.test/", b"https://elsewhere.test/x?y",
    b"http:/strict", b"pathcount.test:80", b"pathcount.test", b"*", b"strict", b"?query", b"[::1]:80",
    b"%2Fstrict", b"\\strict"])
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"CONNECT"])
def test_a_target_must_be_a_path(listener, method, target):
    address, headers, _ = listener
    request = method + b" " + target + b" HTTP/1.1\r\n" + HOST + headers + b"\r\n"
    if method == b"HEAD":
        with socket.create_connection(address, PATIENCE_S) as sock:
            sock.sendall(request + NEXT)
            head = Stream(sock).take_all()
        assert head.startswith(b"HTTP/1.1 400 ") and head.endswith(b"\r\n\r\n")
    else:
        assert_refused_clearly(address, request, "path")


def test_options_asterisk_is_valid_http_but_not_a_path(pair, listener):
    address, headers, _ = listener
    answers, _ = send(address, b"OPTIONS * HTTP/1.1\r\n" + HOST + headers + b"\r\n")
    assert [answer.status for answer in answers] == [404 if address == pair.counter.address else 204]


@pytest.mark.parametrize("line", [
    b"GET  /strict HTTP/1.1", b"GET /strict  HTTP/1.1", b"GET /strict HTTP/1.1 ", b" GET /strict HTTP/1.1",
    b"GET\t/strict HTTP/1.1", b"GET /strict\tHTTP/1.1", b"GET /a b HTTP/1.1",
    b"GET /strict HTTP/2.0", b"GET /strict HTTP/1", b"GET /strict HTTP/1.", b"GET /strict HTTP/1.11",
    b"GET /strict HTTP/01.1", b"GET /strict http/1.1", b"GET /strict HTTP/1.x", b"GET /strict HTTP/0.9",
    b"GET /strict", b"GET", b"GET /a\x00b HTTP/1.1", b"GET /a\x7fb HTTP/1.1", b"GET /a\rb HTTP/1.1",
    b"G\x00T /strict HTTP/1.1", b"G(T /strict HTTP/1.1", b"G\xc3T /strict HTTP/1.1", b"GET: /strict HTTP/1.1",
    b"\"GET\" /strict HTTP/1.1"])
def test_an_invalid_request_line_is_refused(listener, line):
    address, headers, _ = listener
    assert_refused(address, line + b"\r\n" + HOST + headers + b"\r\n")


# --- line ends, folding, characters

LINES = [b"GET /strict HTTP/1.1", b"Host: pathcount.test", b"Accept: */*", b""]


@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_line_without_cr_is_refused(listener, number):
    ends = [b"\n" if i == number else b"\r\n" for i in range(len(LINES))]
    assert_refused_clearly(listener[0], b"".join(line + end for line, end in zip(LINES, ends)), "CR LF")


def test_a_head_with_bare_lf_is_refused(listener):
    assert_refused_clearly(listener[0], b"\n".join(LINES) + b"\n", "CR LF")
    assert_refused_clearly(listener[0], b"\n" + b"\r\n".join(LINES) + b"\r\n", "CR LF")


@pytest.mark.parametrize("ends", [b"\r", b"\r\r\n", b"\n\r", b"\x0b\r\n", b"\x85\r\n\r"])
def test_other_line_ends_are_refused(listener, ends):
    assert_refused(listener[0], b"GET /strict HTTP/1.1\r\n" + HOST + b"A: b" + ends + b"\r\n"
                   if ends != b"\x85\r\n\r" else b"GET /strict HTTP/1.1\x85\r\n" + HOST + b"\r\n")


@pytest.mark.parametrize("space", [b" ", b"\t", b" \t"])
@pytest.mark.parametrize("behind", [b"Host: pathcount.test\r\n", b"Host: pathcount.test\r\nA: b\r\n"])
def test_folded_lines_are_refused(listener, space, behind):
    assert_refused_clearly(
        listener[0], b"GET /strict HTTP/1.1\r\n" + behind + space + b"folded\r\n\r\n", "fold")
    assert_refused_clearly(
        listener[0], b"GET /strict HTTP/1.1\r\n" + behind + space + b"\r\n\r\n", "fold")


def test_a_folded_first_header_line_is_refused(listener):
    assert_refused(listener[0], b"GET /strict HTTP/1.1\r\n Host: a\r\n" + HOST + b"\r\n")


@pytest.mark.parametrize("line", [
    b"A : b", b"A\t: b", b": b", b"A", b"A\x00: b", b"A: \x00", b"A: b\x00c", b"A: \x01", b"A: \x7f", b"A: \x1b",
    b"A: b\rc", b"\xc3\xa9: b", b"A(: b", b"A B: c", b"Host\x00: pathcount.test", b"A[]: b", b'"A": b'])
def test_an_invalid_header_line_is_refused(listener, line):
    assert_refused(listener[0], b"GET /strict HTTP/1.1\r\n" + HOST + line + b"\r\n\r\n")


def test_control_characters_are_refused_everywhere(pair):
    for byte in [*range(9), *range(11, 13), *range(14, 32), 127]:
        c = bytes([byte])
        for request in (b"G" + c + b"T /strict HTTP/1.1\r\n" + HOST + b"\r\n",
                        b"GET /" + c + b" HTTP/1.1\r\n" + HOST + b"\r\n",
                        b"GET /strict HTTP/1.1\r\n" + HOST + b"A" + c + b": b\r\n\r\n",
                        b"GET /strict HTTP/1.1\r\n" + HOST + b"A: b" + c + b"\r\n\r\n"):
            assert_refused(pair.address, request)


# --- Host

@pytest.mark.parametrize("hosts, word", [
    (b"", "no Host"), (HOST + HOST, "more than one"), (HOST + b"Host: other.test\r\n", "more than one"),
    (HOST + b"hoST:pathcount.test\r\n", "more than one"), (HOST + b"A: b\r\n" + HOST, "more than one"),
    (b"Host: a b\r\n", "Host"), (b"Host: a,b@c\r\n", "Host"), (b"Host: http://a/\r\n", "Host"),
    (b"Host: a/b\r\n", "Host"), (b"Host: a?b\r\n", "Host"), (b"Host: a#b\r\n", "Host"), (b"Host:\r\n", "Host"),
    (b"Host:  \t\r\n", "Host"), (b"Host: a\\b\r\n", "Host"), (b"Host: <b>\r\n", "Host"), (b'Host: "a"\r\n', "Host"),
    (b"Host: \xc3\xa9\r\n", "Host"), (b"X-Host: a\r\n", "no Host")])
def test_a_missing_repeated_or_invalid_host_is_refused(listener, hosts, word):
    address, headers, path = listener
    assert_refused_clearly(address, b"GET " + path + b" HTTP/1.1\r\n" + hosts + headers + b"\r\n", word)


def test_two_hosts_are_refused_in_http_1_0_too(listener):
    assert_refused_clearly(listener[0], b"GET /strict HTTP/1.0\r\n" + HOST + HOST + b"\r\n", "more than one")


# --- the end of a request

@pytest.mark.parametrize("lengths", [
    b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Content-Length: 6\r\nContent-Length: 5\r\n",
    b"Content-Length: 5\r\nContent-Length: 5\r\n", b"content-length: 0\r\nA: b\r\nCONTENT-LENGTH: 5\r\n",
    b"Content-Length: 5000\r\nContent-Length: 5\r\n"])
def test_a_repeated_content_length_is_refused(pair, lengths):
    assert_refused_clearly(pair.address, post(lengths, b"hello"), "Content-Length")
    assert_refused_clearly(pair.counter.address, post(AUTHORIZATION + lengths, b"hello"), "Content-Length")


@pytest.mark.parametrize("length", [
    b"", b" ", b"x", b"-1", b"+5", b"5x", b"0x5", b"5 5", b"5,5", b"5, 5", b"5.0", b"1e1", b"\xb2",
    b"18446744073709551616", b"99999999999999999999999", b"5;", b"5 ", b"05, 5"])
def test_an_invalid_content_length_is_refused(pair, length):
    assert_refused(pair.address, post(b"Content-Length: " + length + b"\r\n", b"hello"))
    assert_refused(pair.counter.address, post(AUTHORIZATION + b"Content-Length: " + length + b"\r\n", b"hello"))


CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"


@pytest.mark.parametrize("codings", [
    b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"Content-Length: 15\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
    b"transfer-encoding:chunked\r\ncontent-length: 0\r\n"])
def test_two_ways_to_delimit_a_body_are_refused(pair, codings):
    assert_refused_clearly(pair.address, post(codings, CHUNKED), "Transfer-Encoding")
    assert_refused_clearly(pair.counter.address, post(AUTHORIZATION + codings, CHUNKED), "Transfer-Encoding")


def test_a_contradictory_head_is_refused_although_the_library_waits_for_a_body(pair):
    """libh2o waits for a body of the first length. The request is still refused."""
    for codings, status in ((b"Content-Length: 60000\r\nContent-Length: 5\r\n", 400),
                            (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
                            (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
                            (b"Transfer-Encoding: chunked\r\n", 411)):
        for body in (b"", b"5\r\nhel"):
            answers, closed = send(pair.address, post(codings, body))
            assert [answer.status for answer in answers] == [status] and closed
            contract.check_problem(answers[0])


@pytest.mark.parametrize("coding", [
    b"gzip, chunked", b"chunked, chunked", b"identity", b"xchunked", b"chunked;q=1", b"", b"chunked,", b"gzip",
    b"\x0bchunked", b"chunked\x00", b'"chunked"'])
def test_an_unknown_coding_is_refused(pair, coding):
    assert_refused(pair.address, post(b"Transfer-Encoding: " + coding + b"\r\n", CHUNKED))


def test_http_1_0_has_no_transfer_encoding(pair):
    assert_refused_clearly(
        pair.address, post(b"Transfer-Encoding: chunked\r\n", CHUNKED, b"1.0"), "HTTP/1.0")


@pytest.mark.parametrize("chunks", [
    b"x\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhelloX\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"11112222333344445\r\nhello\r\n0\r\n\r\n",
    b"g\r\n\r\n", b" 5\r\nhello\r\n0\r\n\r\n", b"\x00\r\n\r\n", b"5\r\nhello\r\nz\r\n\r\n"])
def test_a_bad_chunk_size_is_refused_by_the_library(pair, chunks):
    assert_refused(pair.address, post(b"Transfer-Encoding: chunked\r\n", chunks))


@pytest.mark.parametrize("chunks", [
    CHUNKED, b"0\r\n\r\n", b"5;a=b\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\nTrailer: x\r\n\r\n",
    # chunks that libh2o's decoder accepts
    b"0x5\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n", b"5\nhello\n0\n\n", b"5;\x00\nhello\r\r\r\n0\r\n\r\n"])
def test_chunks_that_the_library_accepts_are_refused(pair, chunks):
    assert_refused_clearly(pair.address, post(b"Transfer-Encoding: chunked\r\n", chunks), "Content-Length", 411)
    assert_refused_clearly(pair.counter.address, post(AUTHORIZATION + b"Transfer-Encoding: chunked\r\n", chunks),
                           "Content-Length", 411)


def test_an_unknown_expectation_is_refused(pair):
    assert_refused(pair.address, post(b"Expect: wonders\r\nContent-Length: 5\r\n", b"hello"), 417)


def test_nothing_after_a_refused_request_is_counted(pair):
    """The bytes after the refused requests of this module were never processed as requests."""
    assert pair.ledger.count("/smuggled") == 0


def test_a_connection_of_empty_lines_is_closed_without_an_answer(listener):
    assert send(listener[0], b"\r\n\r\n") == ([], True)


# --- HTTP/2

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


def test_the_preface_of_http_2_is_a_bad_request(listener):
    for start in (PREFACE + SETTINGS, PREFACE[:16] + b"\r\n"):
        with socket.create_connection(listener[0], PATIENCE_S) as sock:
            sock.sendall(start)
            answer = Stream(sock).take_all()
        assert answer.startswith(b"HTTP/1.1 400 "), answer


@pytest.mark.parametrize("protocol", [b"h2c", b"h2c-14", b"h2c-16", b"h2c, websocket", b"h2"])
def test_an_upgrade_to_http_2_is_ignored(listener, protocol):
    address, headers, path = listener
    request = (b"GET " + path + b" HTTP/1.1\r\n" + HOST + headers + b"Connection: Upgrade, HTTP2-Settings\r\n"
               b"Upgrade: " + protocol + b"\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
    with socket.create_connection(address, PATIENCE_S) as sock:
        sock.sendall(request)
        stream = Stream(sock)
        answer = stream.message(True)
        assert answer.status == 200 and answer.start.startswith("HTTP/1.1 ")
        sock.sendall(PREFACE + SETTINGS)
        try:  # already closed, because its Connection header lacked keep-alive, or refused
            assert stream.take_all()[:13] == b""
        except ConnectionError:
            pass
