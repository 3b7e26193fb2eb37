"""Helpers of test_journal*.py."""

import contextlib
import os
import re

import pytest

from harness.services import ROOT
from harness.wait import until


@pytest.fixture
def counter(stage, ledger):
    return stage.counter(ledger)


@pytest.fixture
def api(counter):
    return counter.api


@contextlib.contextmanager
def folds_kept_from(ledger, *paths):
    """Locks the rows of some paths, so that entries with hits of these paths cannot be folded."""
    with ledger.connect() as connection:
        connection.execute("BEGIN")
        for path in paths:
            connection.execute(
                "INSERT INTO pathcount (path, count) VALUES (%s, 0) ON CONFLICT (path) "
                "DO UPDATE SET count = pathcount.count", (path,))
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def positions(ledger):
    first, last, number, checkpoint = ledger.run(
        "SELECT min(position), max(position), count(*), "
        "(SELECT position FROM pathcount_checkpoint) FROM pathcount_journal")[0]
    assert number == last - first + 1  # positions have no gap
    return first, last, checkpoint


def hit_all(api, hits, rounds, lane=None):
    """Counts the same hits `rounds` times, each time in a new entry."""
    lane = lane or api.lane()
    for sequence in range(1, rounds + 1):
        api.post(lane, sequence, hits)


def until_answered(post, again):
    """The answer to a batch, after any number of 503s."""
    answers = [post.result()]

    def is_answered():
        if answers[-1].status == 503:
            answers.append(again())
        return answers[-1].status != 503

    until(is_answered, "an answer other than 503", pause=0.05)
    return answers[-1]


def metric(api, name):
    return api.counter.metric(name)


@pytest.fixture(autouse=True)
def counters_know_their_apis(monkeypatch, stage):
    """Gives each Api a reference to its counter-svc, for its metrics."""
    make = stage.counter

    def counter(*arguments, **keywords):
        made = make(*arguments, **keywords)
        made.api.counter = made
        return made

    monkeypatch.setattr(stage, "counter", counter)


def end_folds(ledger):
    """Terminates the sessions that fold. This rolls their open folds back."""
    ended = ledger.backends("query LIKE '%%pathcount_fold(%%'")
    for pid in ended:
        ledger.run("SELECT pg_terminate_backend(%s)", pid)
    until(lambda: not set(ended) & set(ledger.backends()), "the sessions to end")


def statement(name):
    """The text of one of counter-svc's statements."""
    with open(os.path.join(ROOT, "counter-svc", "ledger", "sql", name), encoding="utf-8") as file:
        return "".join(line for line in file if not line.startswith("--")).replace("pathcount_rows", "pathcount")


def clear(connection):
    """Deletes folded entries by the same rule as counter-svc."""
    connection.execute(re.sub(r"\$\d", "%s", statement("clear.sql")), (0, 10**6))
