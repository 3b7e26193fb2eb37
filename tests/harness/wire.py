"""A proxy for plain bytes, for PostgreSQL and for browsers.

A *treatment* decides the fate of the server's bytes. It is a function that takes each received piece and its
Passage:

    with wire.treating(cut): ...
"""

import contextlib
import socket
import threading
import time

from .listener import Gone, Listener, reset_at_close
from .wait import PATIENCE_S


class Passage:
    """One connection, in the direction from the server to its client."""

    def __init__(self, server, client):
        self.server = server
        self.client = client

    def send(self, data):
        self.client.sendall(data)

    def close(self):
        raise Gone

    def silence(self):
        """Forwards nothing more, and waits until one side closes."""
        while self.server.recv(65536):
            pass
        raise Gone


# --- treatments


def swallow(passage, _data):
    """Drops the server's bytes from now on. The connection stays open and silent."""
    passage.silence()


def cut(passage, data):
    """Closes the connection in the middle of the server's bytes."""
    passage.send(data[:len(data) // 2])
    passage.close()


def reset(passage, _data):
    """Resets the connection instead of forwarding the server's bytes."""
    reset_at_close(passage.client)
    passage.close()


def late(seconds):
    """Delays the server's bytes."""
    def treatment(passage, data):
        time.sleep(seconds)
        passage.send(data)
    return treatment


class Halt:
    """A treatment that stops in the middle of the next piece of at least `size` bytes until
    go_on(); all others pass."""

    def __init__(self, size=32):
        self.reached = threading.Event()
        self._size = size
        self._go_on = threading.Event()

    def __call__(self, passage, data):
        if len(data) < self._size or self.reached.is_set():
            passage.send(data)
            return
        passage.send(data[:len(data) // 2])
        self.reached.set()
        self._go_on.wait(60)
        passage.send(data[len(data) // 2:])

    def go_on(self):
        self._go_on.set()


class Wire(Listener):
    """Forwards bytes between a client and `target`."""

    def __init__(self, target, host="127.0.0.1", port=0):
        self.target = target
        self.connections = 0
        self._treatment = Passage.send
        self._passing = threading.Event()
        self._passing.set()
        super().__init__(host, port)

    def _serve(self, client):
        self.connections += 1
        self._passing.wait()
        upstream = socket.create_connection(self.target, PATIENCE_S)
        upstream.settimeout(None)
        self._keep(upstream)
        back = threading.Thread(target=self._answer, args=(upstream, client), daemon=True)
        back.start()
        self._pass(client, upstream)
        back.join()
        self._forget(upstream)

    def _pass(self, source, to):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._passing.wait()
                to.sendall(data)
        self._end(source, to)

    def _answer(self, server, client):
        passage = Passage(server, client)
        try:
            while data := server.recv(65536):
                self._passing.wait()
                self._treatment(passage, data)
        except ConnectionResetError:
            reset_at_close(client)  # as it came
        except (OSError, Gone):
            pass
        self._end(server, client)

    @staticmethod
    def _end(*sockets):
        for sock in sockets:
            with contextlib.suppress(OSError):
                by_reset = sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER)
                sock.shutdown(socket.SHUT_RD if by_reset else socket.SHUT_RDWR)

    @contextlib.contextmanager
    def treating(self, treatment):
        """Applies a treatment to the servers' bytes for the time of the block."""
        self._treatment = treatment
        try:
            yield
        finally:
            self._treatment = Passage.send

    @contextlib.contextmanager
    def black_hole(self):
        """Forwards nothing in either direction for the time of the block. Closes nothing."""
        self._passing.clear()
        try:
            yield
        finally:
            self._passing.set()
