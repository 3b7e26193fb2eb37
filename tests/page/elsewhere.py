"""A site of another origin, whose pages embed images of render-svc and send hits to it."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Elsewhere:
    """Answers `pages` (path → HTML), and every other path with an empty page. `requests` has the requested
    paths."""

    def __init__(self):
        self.pages = {}
        self.requests = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                site.requests.append(self.path)
                body = ("<!DOCTYPE html><title>Elsewhere</title>" + site.pages.get(self.path, "")).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = self._server.server_address
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def show(self, browser, html):
        """Opens a page with this content in the browser."""
        path = f"/{len(self.pages)}"
        self.pages[path] = html
        browser.address = self.address
        browser.open(path)

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
