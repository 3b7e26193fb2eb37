"""Waiting for a condition, always with a deadline."""

import threading
import time

PATIENCE_S = 20.0
"""How long anything may take that has no deadline of its own in the specification."""


def until(condition, what, seconds=PATIENCE_S, pause=0.01):
    """Asks `condition()` until it is truthy and returns what it said; fails with `what` (what was
    waited for) after `seconds`. An AssertionError raised by the condition counts as "not yet"."""
    deadline = time.monotonic() + seconds
    trouble = None
    while True:
        try:
            result = condition()
            if result:
                return result
        except AssertionError as error:
            trouble = error
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain: {what}") from trouble
        time.sleep(pause)


def holds_for(condition, seconds, pause=0.02):
    """Whether `condition()` stays truthy for `seconds`: for what must NOT happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not condition():
            return False
        time.sleep(pause)
    return True


class Later:
    """A call running in a thread of its own; `result()` waits for it and raises what it raised."""

    def __init__(self, call, *arguments, **keywords):
        self._value = self._error = None
        self._thread = threading.Thread(
            target=self._run, args=(call, arguments, keywords), daemon=True)
        self._thread.start()

    def _run(self, call, arguments, keywords):
        try:
            self._value = call(*arguments, **keywords)
        except BaseException as error:  # handed to whoever asks for the result
            self._error = error

    @property
    def done(self):
        return not self._thread.is_alive()

    def result(self, seconds=PATIENCE_S):
        self._thread.join(seconds)
        assert self.done, f"a call in the background did not return within {seconds} s"
        if self._error is not None:
            raise self._error
        return self._value


class Stopwatch:
    """Seconds since its making."""

    def __init__(self):
        self._start = time.monotonic()

    @property
    def seconds(self):
        return time.monotonic() - self._start
