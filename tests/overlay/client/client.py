#!/usr/bin/python3
"""A load of GETs that records which requests were sent and which were acknowledged.

Runs until its standard input ends or --requests were made, finishes the requests in flight
and prints one JSON object:

    sent, acked   {path: number}: requests of which at least a byte may have arrived; those of them
                  that were answered 200 with their own path and a number
    unavailable   requests answered 503: not confirmed, counted at most once
    failed        [[start, end, address, what]]: every other answer, and every answer that did not
                  come whole
    refused       connections that were refused (the next address was tried); nothing was sent there
    unreached     requests given up because every address refused; nothing was sent
    times         [[start, end, kind]] of each request, kind: acked, unavailable, failed, unreached
    by_address    {address: acknowledged}

Times are seconds of the wall clock. Half of the workers keep their connection, the others use a new
one for each request. The target's name is looked up anew for each connection, as Swarm's answers
change, and its addresses are tried in random order.
"""
import argparse
import asyncio
import collections
import json
import random
import socket
import sys
import time

CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 15.0   # far above the service's own deadline, to get its answer
GIVE_UP_S = 10.0


class Load:
    def __init__(self, asked):
        host, port = asked.target.rsplit(":", 1)
        self.host, self.port, self.asked = host, int(port), asked
        self.sent, self.acked = collections.Counter(), collections.Counter()
        self.by_address = collections.Counter()
        self.failed, self.times = [], []
        self.begun = self.refused = self.unavailable = self.unreached = 0
        self.stopping = asyncio.Event()

    async def addresses(self):
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, family=socket.AF_INET)
        except OSError:
            return []
        addresses = [entry[4][0] for entry in found]
        random.shuffle(addresses)
        return addresses

    async def connect(self):
        """A connection to any of the target's addresses, or None after GIVE_UP_S."""
        deadline = time.monotonic() + GIVE_UP_S
        while time.monotonic() < deadline:
            for address in await self.addresses():
                try:
                    return address, *await asyncio.wait_for(
                        asyncio.open_connection(address, self.port), CONNECT_TIMEOUT_S)
                except (OSError, asyncio.TimeoutError):
                    self.refused += 1
            if self.asked.one_try:
                return None
            await asyncio.sleep(0.05)
        return None

    async def worker(self, keeps):
        connection = None
        while not self.stopping.is_set() and self.begun < self.asked.requests:
            self.begun += 1
            start, kind = time.time(), "unreached"
            if connection and (connection[1].at_eof() or connection[2].is_closing()):
                connection[2].close()
                connection = None
            connection = connection or await self.connect()
            if connection:
                kind, reusable = await self.request(start, *connection)
                if not (keeps and reusable):
                    connection[2].close()
                    connection = None
            else:
                self.unreached += 1
            self.times.append([round(start, 3), round(time.time(), 3), kind])
            await asyncio.sleep(self.asked.think_ms / 1000 * random.uniform(0.5, 1.5))
        if connection:
            connection[2].close()

    async def request(self, start, address, reader, writer):
        """One GET. Returns its result, and whether the connection can be used again."""
        path = f"{self.asked.prefix}{random.randrange(self.asked.paths)}"
        self.sent[path] += 1
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
                         "Accept: application/json\r\nPrefer: return=minimal\r\n\r\n".encode())
            status, headers, body = await asyncio.wait_for(answer(reader), ANSWER_TIMEOUT_S)
            reusable = headers.get("connection", "").lower() != "close"
            if status == 200:
                document = json.loads(body)
                if document["path"] != path or document["count"] < 1:
                    raise ValueError(f"an answer to something else: {document}")
                self.acked[path] += 1
                self.by_address[address] += 1
                return "acked", reusable
            if status == 503:
                self.unavailable += 1
                return "unavailable", reusable
            what = f"status {status}"
        except (OSError, EOFError, ValueError, KeyError, asyncio.TimeoutError) as error:
            what = f"{type(error).__name__}: {error}"
        self.failed.append([round(start, 3), round(time.time(), 3), address, what])
        return "failed", False

    async def run(self):
        loop = asyncio.get_running_loop()

        def stop():
            loop.remove_reader(sys.stdin)
            self.stopping.set()

        if self.asked.requests == sys.maxsize:
            loop.add_reader(sys.stdin, stop)
        await asyncio.gather(*(self.worker(n % 2 == 0) for n in range(self.asked.workers)))
        return {"sent": self.sent, "acked": self.acked, "unavailable": self.unavailable,
                "failed": self.failed, "refused": self.refused, "unreached": self.unreached,
                "times": self.times, "by_address": self.by_address}


async def answer(reader):
    """Status, headers and body of one answer. EOFError if it ends too early."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {}
    for line in head[1:-2]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    status = int(head[0].split()[1])
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    else:
        body = await reader.readexactly(int(headers["content-length"]))
    return status, headers, body


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", required=True, help="HOST:PORT")
    parser.add_argument("--prefix", default="/", help="what every path begins with")
    parser.add_argument("--paths", type=int, default=40, help="how many different ones")
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--requests", type=int, default=sys.maxsize, help="then end")
    parser.add_argument("--think-ms", type=float, default=50, help="between requests")
    parser.add_argument("--one-try", action="store_true",
                        help="give up when no address takes a connection at once")
    print(json.dumps(asyncio.run(Load(parser.parse_args()).run())))


if __name__ == "__main__":
    main()
