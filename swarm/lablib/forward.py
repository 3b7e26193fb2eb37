#!/usr/bin/python3
"""Carries connections between this machine and the switch, one process for all of them.

It is started inside the switch's namespace with listening sockets that were opened outside (or
inside) of it: a socket belongs to the namespace it was made in, so what this process connects is
on the switch. Each argument is FD=HOST:PORT: what arrives at the listening socket FD goes there.
"""
import asyncio
import socket
import sys


async def copy(reader, writer):
    """Copies one direction until its end, and passes the end on (Docker's attach needs that)."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


async def carry(host, port, reader, writer):
    try:
        far_reader, far_writer = await asyncio.wait_for(asyncio.open_connection(host, port), 10)
    except (OSError, asyncio.TimeoutError):
        writer.transport.abort()
        return
    await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))
    for end in (writer, far_writer):
        end.close()


async def serve(routes):
    servers = []
    for route in routes:
        fd, target = route.split("=")
        host, port = target.rsplit(":", 1)
        listener = socket.socket(fileno=int(fd))
        is_unix = listener.family == socket.AF_UNIX
        start = asyncio.start_unix_server if is_unix else asyncio.start_server
        servers.append(await start(lambda r, w, h=host, p=int(port): carry(h, p, r, w),
                                   sock=listener))
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1:]))
