"""Waits for conditions, always with a deadline."""

import ast
import inspect
import linecache
import threading
import time

PATIENCE_S = 20.0
"""The deadline of everything that has no deadline of its own in the specification."""


def until(condition, what, seconds=PATIENCE_S, pause=0.01):
    """Calls `condition()` until its value is truthy, and returns that value. Fails after `seconds` with
    `what` and the last value. An AssertionError of the condition means "not yet"."""
    deadline = time.monotonic() + seconds
    while True:
        trouble = None
        try:
            last = condition()
            if last:
                return last
        except AssertionError as error:
            trouble = last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s; last value: {shown(condition, last)}") from trouble
        time.sleep(pause)


def shown(condition, last, most=500):
    """Describes the last value of a condition, or the error that it raised, for the message of a failure. For
    a lambda with a comparison it also evaluates both sides again."""
    texts = [str(last) if isinstance(last, AssertionError) else repr(last)]
    for source, value in sides(condition):
        texts.append(f"{source} is {value}")
    return "; ".join(text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)" for text in texts)


def sides(condition):
    """Yields (source, value now) for each side of a lambda's comparison, except constants."""
    code = getattr(condition, "__code__", None)
    if code is None or code.co_name != "<lambda>":
        return
    places = [place for place in code.co_positions() if None not in place and place[2] < place[3]]
    first, begin = min((line, column) for line, _, column, _ in places)
    last, end = max((line, column) for _, line, _, column in places)
    lines = [linecache.getline(code.co_filename, line).encode() for line in range(first, last + 1)]
    lines[-1] = lines[-1][:end]  # before the beginning is cut, because both may be on one line
    lines[0] = lines[0][begin:]
    scope = {**inspect.getclosurevars(condition).nonlocals,
             **dict(zip(code.co_varnames, condition.__defaults__ or ()))}
    try:
        body = ast.parse(b"(" + b"".join(lines) + b")", mode="eval").body
    except SyntaxError:
        return
    for node in [body.left, *body.comparators] if isinstance(body, ast.Compare) else []:
        if isinstance(node, ast.Constant):
            continue
        try:
            value = repr(eval(compile(ast.Expression(node), "<side>", "eval"), condition.__globals__, scope))
        except Exception as error:  # pylint: disable=broad-exception-caught (the message must not fail)
            value = f"not to be had: {error!r}"
        yield ast.unparse(node), value


def holds_for(condition, seconds, pause=0.02):
    """Whether `condition()` stays truthy for `seconds`. Shows that something does not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not condition():
            return False
        time.sleep(pause)
    return True


class Later:
    """A call in a thread of its own. `result()` waits for it and raises its exception, if any."""

    def __init__(self, call, *arguments, **keywords):
        self._value = self._error = None
        self._thread = threading.Thread(
            target=self._run, args=(call, arguments, keywords), daemon=True)
        self._thread.start()

    def _run(self, call, arguments, keywords):
        try:
            self._value = call(*arguments, **keywords)
        except BaseException as error:  # result() raises this error
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
    """Measures the seconds since its creation."""

    def __init__(self):
        self._start = time.monotonic()

    @property
    def seconds(self):
        return time.monotonic() - self._start
