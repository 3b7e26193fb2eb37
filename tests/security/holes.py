"""A server with the vulnerabilities that the scanners look for. A scan of pathcount without findings only means
something if the scanners find these."""

import http.server
import sqlite3
import threading
from urllib.parse import parse_qs, urlsplit


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        database = sqlite3.connect(":memory:")
        database.executescript("CREATE TABLE t (path TEXT, count INT); INSERT INTO t VALUES ('/a', 1), ('/b', 2);")
        try:
            rows = database.execute(f"SELECT path, count FROM t WHERE path = '{query.get('path', '')}'").fetchall()
            status, text = 200, "".join(f"<li>{path}: {count}" for path, count in rows)
        except sqlite3.Error as error:
            status, text = 500, f"sqlite3.OperationalError: {error}"
        body = (f"<!DOCTYPE html><html><title>x</title><body><p>{query.get('text', '')}</p><ul>{text}</ul>"
                "<a href='/?path=/a'>a</a> <a href='/?text=b'>b</a></body></html>").encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    """Serves for the time of the block."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = self.server_address

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
