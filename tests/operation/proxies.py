"""nginx, HAProxy and Caddy from Debian on loopback, with the configurations of docs/proxies.md or others."""

import contextlib
import csv
import io
import os
import re
import socket
import subprocess

from harness.ports import free_port
from harness.services import ROOT
from harness.wait import PATIENCE_S, until

HOSTS = ("10.0.0.1:9090", "10.0.0.2:9090")  # the addresses of render-svc in the docs

# The listening address in each language: in the docs, and with a free port on loopback.
LISTEN = {"nginx": ("listen {};", "listen 127.0.0.1:{};"), "haproxy": ("bind :{}\n", "bind 127.0.0.1:{}\n"),
          "caddyfile": (":{} {{", ":{} {{")}

NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site;
}}
"""
HAPROXY = """
global
    maxconn 500
    stats socket {folder}/socket level admin
"""
CADDY = """
{{
    admin off
    auto_https off
    default_bind 127.0.0.1
}}
import {folder}/site
"""


def documented(language):
    """A configuration from docs/proxies.md."""
    with open(os.path.join(ROOT, "docs", "proxies.md"), encoding="utf-8") as file:
        block, = re.findall(rf"^```{language}\n(.*?)^```$", file.read(), re.DOTALL | re.MULTILINE)
    return block


def _once(text, old, new):
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    return text.replace(old, new)


class Proxy:
    """A proxy with a main configuration that includes `site`. The site's listener and its two hosts get
    addresses on loopback."""

    def __init__(self, folder, language, site, hosts):
        self.folder = str(folder)
        for documented_host, host in zip(HOSTS, hosts):
            site = _once(site, documented_host, "%s:%d" % host)
        self._language, self._site = language, site
        main, self._command = {
            "nginx": (NGINX, ["nginx", "-e", "stderr", "-c", self._path("main")]),
            "haproxy": (HAPROXY, ["haproxy", "-db", "-f", self._path("main"), "-f", self._path("site")]),
            "caddyfile": (CADDY, ["caddy", "run", "--adapter", "caddyfile", "--config", self._path("main")]),
        }[language]
        if language == "nginx" and os.geteuid() == 0:
            main = "user root;" + main
        self._write("main", main.format(folder=self.folder))

    def _write(self, name, text):
        with open(self._path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def _path(self, name):
        return os.path.join(self.folder, name)

    def log(self):
        with open(self._path("log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def __enter__(self):
        for _ in range(5):  # another process may take the port first
            if self._start():
                return self
        raise AssertionError(self.log())

    def _start(self):
        """Starts it on a free port. Returns whether it runs."""
        self.address = ("127.0.0.1", free_port())
        old, new = LISTEN[self._language]
        self._write("site", _once(self._site, old.format(80), new.format(self.address[1])))
        with open(self._path("log"), "wb") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": self.folder})
        until(lambda: self._process.poll() is not None or self._listens(), f"{self._command[0]} to listen")
        return self._process.poll() is None

    def _listens(self):
        """Whether this process owns the socket that listens at its port."""
        port = "0100007F:%04X" % self.address[1]
        with open("/proc/net/tcp", encoding="ascii") as file:
            rows = [line.split() for line in file]
        sockets = {f"socket:[{row[9]}]" for row in rows if row[1] == port and row[3] == "0A"}
        folder = f"/proc/{self._process.pid}/fd"
        with contextlib.suppress(FileNotFoundError):
            return any(os.readlink(os.path.join(folder, fd)) in sockets for fd in os.listdir(folder))

    def __exit__(self, *_):
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def servers(self):
        """HAProxy only: the statistics of each server, by name."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE_S)
            sock.connect(self._path("socket"))
            sock.sendall(b"show stat\n")
            text = b"".join(iter(lambda: sock.recv(65536), b"")).decode()
        rows = csv.DictReader(io.StringIO(text.removeprefix("# ")))
        return {row["svname"]: row for row in rows if row["svname"] not in ("FRONTEND", "BACKEND")}
