"""Starts the parts of a test, and ends them in reverse order."""

import contextlib
from types import SimpleNamespace

from .api import Api
from .load import Load
from .proxy import HttpProxy
from .services import Service
from .wire import Wire

KEYS = {"log_level": "info"}


class Stage:
    """Makes ledgers, services, proxies and load for one test or one module.

    A render-svc has one worker unless the test says otherwise.
    """

    def __init__(self, cluster, folder):
        self.cluster = cluster
        self.folder = str(folder)
        self._stack = contextlib.ExitStack()
        self._services = []

    def close(self):
        """Ends everything. Raises the first broken promise."""
        self._stack.close()

    # --- parts

    def ledger(self):
        """An empty database with a role that owns it."""
        ledger = self.cluster.ledger()
        self._stack.callback(self.cluster.give_back, ledger)
        return ledger

    def service(self, name, keys, env=None, start=True):
        """A service whose promises are checked at its end. Without keys (None), only its environment
        configures it."""
        service = Service(name, self.folder, keys and {**KEYS, **keys}, env)
        self._services.append(service)
        self._stack.callback(self._end, service)
        return service.start() if start else service

    def _end(self, service):
        if service.process is None:
            return
        service.stop()
        service.assert_kept_its_promises()

    def counter(self, ledger, ready=True, **keys):
        """A counter-svc on a ledger; its `api` is a client of it. It waits longer for locks than by default,
        because tests hold locks to stop it at a certain step."""
        keys = {"lock_timeout_ms": 1000, **keys}
        counter = self.service("counter-svc", {**ledger.keys, **keys})
        if ready:
            counter.until_ready()
            ledger.until_migrated()
        counter.api = Api(counter.address)
        return counter

    def render(self, at, ready=True, env=None, **keys):
        """A render-svc that counts at `at`: a counter-svc, a proxy before one, or an address."""
        host, port = getattr(at, "address", at)
        render = self.service("render-svc", {"counter_url": f"http://{host}:{port}", **keys}, env)
        if ready:
            render.until_ready()
        return render

    def proxy(self, at, **keywords):
        """A proxy before a counter-svc (see harness.proxy)."""
        return self._stack.enter_context(HttpProxy(getattr(at, "address", at), **keywords))

    def wire(self, at, **keywords):
        """A proxy for plain bytes (see harness.wire)."""
        return self._stack.enter_context(Wire(getattr(at, "address", at), **keywords))

    def load(self, addresses, paths, **keywords):
        """Clients that hit `paths`, running until stopped (see harness.load)."""
        load = Load([getattr(at, "address", at) for at in addresses], paths, **keywords)
        self._stack.callback(load.stop)
        return load.start()

    def pair(self, render_keys=None, counter_keys=None):
        """A ledger, its counter-svc, a proxy before it, and a render-svc that uses the proxy."""
        ledger = self.ledger()
        counter = self.counter(ledger, **(counter_keys or {}))
        proxy = self.proxy(counter)
        render = self.render(proxy, **(render_keys or {}))
        return SimpleNamespace(ledger=ledger, counter=counter, proxy=proxy, render=render,
                               address=render.address, api=counter.api)

    def logs(self):
        """The end of every service's log, for the report of a failed test."""
        return "\n".join(f"{service.log_path}\n{service.log()[-2500:]}"
                         for service in self._services if service.log_path)
