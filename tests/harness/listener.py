"""The base of both proxies: a listening socket with a thread for each connection."""

import contextlib
import socket
import struct
import threading


class Gone(Exception):
    """The connection of the exchange has ended. Nothing more is read from it."""


def reset_at_close(sock):
    """Makes a socket end with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Listener:
    """A listening socket on loopback, with a thread for each connection."""

    def __init__(self, host="127.0.0.1", port=0):
        self._sockets = set()
        self._lock = threading.Lock()
        self._listen((host, port))

    def _listen(self, address):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(256)
        self._listener = sock
        self.address = sock.getsockname()
        threading.Thread(target=self._accept, args=(sock,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._keep(client)
            threading.Thread(target=self._serve_one, args=(client,), daemon=True).start()

    def _serve_one(self, client):
        with contextlib.suppress(OSError, Gone):
            self._serve(client)
        self._forget(client)

    def _keep(self, sock):
        with self._lock:
            self._sockets.add(sock)

    def _forget(self, sock):
        with self._lock:
            self._sockets.discard(sock)
        sock.close()

    def cut_all(self):
        """Ends every open connection."""
        with self._lock:
            sockets = list(self._sockets)
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def stop_listening(self):
        """Refuses connections from now on, and cuts the open ones."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut_all()

    def listen_again(self):
        self._listen(self.address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop_listening()
