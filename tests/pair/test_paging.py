"""A view is read page by page, by key. No row is missing and none comes twice."""

import itertools
import random

import pytest

from harness.wait import Later

NAMES = ["", "a", "a/", "a/b", "a//b", "ab", "A", "b", "%", "_", "a%", "a_", "\\", "'", "é", "éa", "ê",
         "e\u0301", "߿", "ࠀ", "\ud7ff", "\ud7ff\ud7ff", "\ue000", "\uffff", "\U00010000", "😀",
         "\U0010ffff", "\U0010ffff\U0010ffff", "\U0010ffffa", "\x01", "\x7f", "\n", " ", "~", "z" * 2047]

PREFIXES = ["", "/", "/a", "/a/", "/é", "/\ud7ff", "/\x7f", "/\uffff", "/\U0010ffff", "/%", "/_", "/\\",
            "/nothing", "/zz", "a"]


# A busy machine may take long for 900 paths at once.
PATIENT = dict.fromkeys(("batch_deadline_ms", "read_deadline_ms", "statement_timeout_ms", "lock_timeout_ms"), 20000)


def by_path(row):
    return row[0].encode()


def by_count(row):
    return (-row[1], row[0].encode())


ORDERS = {"path": by_path, "count": by_count}


@pytest.fixture(scope="module")
def rows(module_stage):
    """A counter with a row for each of NAMES, many with equal counts, many in one tier; and those rows."""
    ledger = module_stage.ledger()
    counter = module_stage.counter(ledger)
    chance = random.Random(7)
    hits = {"/" + name: chance.choice([1, 1, 1, 2, 255, 256, 257, 257, 271, 272, 4097, 4098, 2**29])
            for name in NAMES}
    counter.api.count(hits)
    ledger.until_folded()
    return counter.api, list(hits.items())


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("limit", [1, 2, 3, 7, len(NAMES) - 1, len(NAMES), 1000])
def test_the_pages_of_a_view_are_all_its_rows_in_order(rows, order, limit):
    api, expected = rows
    assert api.pages(order=order, limit=limit) == sorted(expected, key=ORDERS[order])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_the_pages_of_a_prefix_are_the_rows_that_begin_so(rows, order, prefix, limit):
    api, expected = rows
    expected = [row for row in expected if row[0].startswith(prefix)]
    assert api.pages(order=order, prefix=prefix, limit=limit) == sorted(expected, key=ORDERS[order])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("limit", [1, 2, 3, 7, len(NAMES) - 1, len(NAMES), 1000])
def test_pages_read_backwards_have_the_same_rows(rows, order, limit):
    api, expected = rows
    assert api.pages_back(order=order, limit=limit) == sorted(expected, key=ORDERS[order])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("limit", [1, 2])
def test_the_pages_of_a_prefix_can_be_read_backwards(rows, order, prefix, limit):
    api, expected = rows
    expected = [row for row in expected if row[0].startswith(prefix)]
    assert api.pages_back(order=order, prefix=prefix, limit=limit) == sorted(expected, key=ORDERS[order])


@pytest.fixture(scope="module")
def many_rows(module_stage):
    """A counter with prefixes of 6,000 rows each, and path → count. The rows of a prefix are spread over the
    ranking, all at its top, all at its bottom, or have all the same count."""
    ledger = module_stage.ledger()
    counter = module_stage.counter(ledger)
    ledger.edited("""
        INSERT INTO pathcount (path, count)
        SELECT '/all/' || n, 1000 + n * 7919 % 500 FROM generate_series(1, 25000) AS n
        UNION ALL SELECT '/strewn/' || n, n * 7919 % 2000 FROM generate_series(1, 6000) AS n
        UNION ALL SELECT '/top/' || n, 2000 + n * 7919 % 97 FROM generate_series(1, 6000) AS n
        UNION ALL SELECT '/foot/' || n, 1 + n * 7919 % 97 FROM generate_series(1, 6000) AS n
        UNION ALL SELECT '/one/' || n, 5 FROM generate_series(1, 6000) AS n""")
    return counter.api, ledger.counts()


@pytest.mark.parametrize("prefix", ["/strewn/", "/top/", "/foot/", "/one/", "/foot/1", "/one/99"])
def test_the_pages_of_a_prefix_with_many_rows_are_all_of_them(many_rows, prefix):
    api, counts = many_rows
    expected = sorted(((path, n) for path, n in counts.items() if path.startswith(prefix)), key=by_count)
    assert api.pages(order="count", prefix=prefix, limit=700) == expected
    assert api.pages_back(order="count", prefix=prefix, limit=700) == expected


def test_the_first_page_has_no_previous_one(rows):
    api, _ = rows
    assert api.view(limit=2)["previous"] is None
    second = api.view(limit=2, after=api.view(limit=2)["next"])
    first = api.view(limit=2, before=second["previous"])
    assert first["previous"] is None and first["next"] is not None


def test_the_page_before_the_first_row_is_empty(rows):
    api, _ = rows
    page = api.view(order="path", before="/")
    assert (page["paths"], page["previous"], page["next"]) == ([], None, None)


def test_by_default_a_page_has_a_hundred_rows_ordered_by_count(module_stage):
    api = module_stage.counter(module_stage.ledger()).api
    api.count({f"/{n:03}": n + 1 for n in range(150)})
    page = api.view()
    assert page["paths"] == [f"/{n:03}" for n in range(149, 49, -1)]
    assert page["next"] is not None
    assert api.view(after=page["next"])["paths"] == [f"/{n:03}" for n in range(49, -1, -1)]


def test_the_last_page_has_no_next_one(rows):
    api, expected = rows
    assert api.view(limit=len(expected))["next"] is None
    assert api.view(limit=len(expected) - 1)["next"] is not None


@pytest.mark.parametrize("order", ORDERS)
def test_more_rows_than_fit_a_page_are_paged_through(module_stage, order):
    ledger = module_stage.ledger()
    api = module_stage.counter(ledger, **PATIENT).api
    lane, expected = api.lane(), []
    for sequence in range(1, 4):
        hits = {f"/{n % 7}/{n}": n % 5 + 1 for n in range(sequence * 900, sequence * 900 + 900)}
        assert api.post(lane, sequence, hits).status == 200
        expected += hits.items()
    ledger.until_folded()
    for limit in (999, 1000):
        assert api.pages(order=order, limit=limit) == sorted(expected, key=ORDERS[order])


def test_unchanged_rows_are_listed_once_while_others_change(module_stage):
    api = module_stage.counter(module_stage.ledger()).api
    api.count({f"/stay/{n:03}": 1 for n in range(100)})
    pages = [Later(api.pages, order="path", limit=3) for _ in range(3)]
    lane, sequence = api.lane(), itertools.count(1)
    while not all(reader.done for reader in pages):
        number = next(sequence)
        api.post(lane, number, {f"/come/{number}": 1, f"/stay/{number % 100:03}": 1,
                                f"/stay/{number % 100:03}x": 1})
    for reader in pages:
        met = [path for path, _ in reader.result()]
        assert len(set(met)) == len(met)
        assert {f"/stay/{n:03}" for n in range(100)} <= set(met)


def test_a_cursor_stays_valid_when_its_row_moves(module_stage):
    api = module_stage.counter(module_stage.ledger()).api
    api.count({"/a": 30, "/b": 20, "/c": 10})
    after = api.view(limit=2)["next"]
    api.count({"/b": 100})
    assert api.view(after=after)["paths"] == ["/c"]


@pytest.mark.parametrize("order", ORDERS)
def test_a_page_of_long_paths_has_fewer_rows_than_its_limit(stage, order):
    """The paths of a page have at most 262,144 bytes, exactly 128 paths of 2,048 bytes."""
    ledger = stage.ledger()
    api = stage.counter(ledger).api
    hits = {f"/{n:03}/".ljust(2048, "x"): n % 7 + 1 for n in range(300)}
    api.count_all(hits)
    ledger.until_folded()
    expected = sorted(hits.items(), key=ORDERS[order])
    first = api.view(order=order, limit=1000)
    assert len(first["paths"]) == 128 and first["previous"] is None
    assert api.pages(order=order, limit=1000) == api.pages_back(order=order, limit=1000) == expected
    assert len(api.view(order=order, limit=127)["paths"]) == 127
