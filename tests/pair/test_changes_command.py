"""The command for changes, and `normalise`. See test_changes.py."""

import itertools
import json
import secrets
import subprocess
from urllib.parse import quote, urlencode

import pytest

from harness.http import get
from harness.services import ADMIN_TOKEN, TOKEN, environment, program
from harness.wait import Later, until

from changes_helpers import (  # noqa: F401 (fixtures)
    ADMIN, PATIENT, api, ask, audit, change, check, counters, ledger, refusal, root)


# --- the command


@pytest.fixture
def command(counters, ledger, tmp_path):
    """Runs `counter-svc change` at the first counter, or at another one with its ledger. Returns its status,
    output and errors."""
    config = tmp_path / "counter.yml"

    def run_change(*words, stdin=None, at=(counters[0], ledger), **keys):
        host, port = at[0].address
        config.write_text(json.dumps({**at[1].keys, "listen": f"{host}:{port}", "counter_token": TOKEN,
                                      "admin_token": ADMIN_TOKEN, **keys}))
        done = subprocess.run([program("counter-svc"), "change", "--config", str(config), *map(str, words)],
                              input=stdin, stdin=None if stdin else subprocess.DEVNULL, capture_output=True,
                              env=environment(), timeout=120, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()
    return run_change


def test_each_action_of_the_command(ledger, counters, api, command, root):
    a, b, c = root + "a", root + "b é", root + "c"
    api.count({a: 3, c: 1})
    status, said, errors = command("set", a, 10, "--why", "a typo", "--dry-run")
    assert (status, errors) == (0, "") and f"{a}: 3 -> 10" in said and "would change: rows=1" in said
    check(ledger, counters, {a: 3})
    assert command("set", a, 10, "--why", "a typo")[0] == 0
    assert command("rename", a, b)[0] == 0
    assert command("merge", b, c, a)[0] == 0
    check(ledger, counters, {a: 11, b: 0, c: 0})
    status, said, _ = command("log", a)
    assert status == 0 and "merge" in said and 'why="a typo"' in said
    assert command("undo", a)[0] == 0
    check(ledger, counters, {a: 0, b: 10, c: 1})
    assert command("delete", b)[0] == 0
    status, said, _ = command("delete", "--prefix", root)
    assert status == 0 and "rows=1 paths=-1 hits=-1" in said
    check(ledger, counters, {a: 0, b: 0, c: 0})
    status, said, errors = command("delete", a)
    assert status == 1 and "has no count." in errors and not said


def test_the_command_repeats_a_change_after_503(module_stage, ledger, counters, command, root):
    """A row is locked for longer than the lock timeout."""
    a = root + "a"
    counter = module_stage.counter(ledger, admin_token=ADMIN_TOKEN)
    with ledger.locked(a) as release:
        done = Later(command, "set", a, 7, at=(counter, ledger))
        until(lambda: counter.events("change-failed"), "a change that was not made in time")
        release()
        status, said, errors = done.result()
    assert status == 0 and "waiting" in errors and "rows=1 paths=+0 hits=+7" in said
    check(ledger, counters, {a: 7})


@pytest.mark.parametrize("words", [
    [], ["drop", "/a"], ["set", "/a"], ["set", "a", "1"], ["delete"], ["delete", "/a", "--prefix", "/"],
    ["import", "x.csv"], ["import", "--add", "x.csv", "y.csv"], ["set", "/a", "1", "--prefix", "/b"],
    ["normalise", "/a"], ["normalise", "--id", "x"], ["set", "/a", "1", "--before", "1"], ["log", "--before", "x"],
    ["set", "/a", "1", "--add"], ["delete", "/a", "--why"], ["delete", "/a", "--unknown"]])
def test_a_wrong_command_line_is_reported_in_one_line(command, words):
    status, said, errors = command(*words)
    assert status == 2 and not said and errors.count("\n") == 1 and "--help" in errors


SCRIPTS = ["latin-ÆŁß", "ελληνικά", "кириллица", "العربية", "עברית", "देवनागरी", "ไทย", "漢字かな", "한국어", "አማርኛ",
           "👩\u200d👩\u200d👧", "e\u0301", "\u202eabc", "\ufeff", "\U0010ffff", "\x01\x7f", " a ", "a\tb", "a\rb", "a\nb",
           "a\r\nb", '"', '""', ",", ";", "'=1", "=1", "\\", "?a=b#c", "%25", "a//b", "a/", "z" * 2000]


@pytest.mark.parametrize("bom", ["", "&bom=1"])
def test_exporting_and_importing_everything_makes_the_same_ledger(module_stage, ledger, counters, api, command, root,
                                                                  bom):
    """With paths in all scripts and everything that CSV quotes. The second export equals the first one."""
    api.count({f"{root}{name}": n for n, name in enumerate(SCRIPTS, 1)})
    target = f"/-/paths?format=csv{bom}"
    exported = get(module_stage.render(counters[0]).address, target).body
    copy = module_stage.ledger()
    counter = module_stage.counter(copy, admin_token=ADMIN_TOKEN, **PATIENT)
    status, _, errors = command("import", "--replace", "-", stdin=exported, at=(counter, copy))
    assert status == 0 and "skipped" not in errors, errors
    assert {path: copy.count(path) for path in copy.counts()} == ledger.counts()
    assert counter.api.totals() == ledger.totals()
    assert get(module_stage.render(counter).address, target).body == exported


def test_an_import_skips_the_overflow_row(module_stage, command):
    """An export lists hits of other paths in one row, which is not a path's."""
    ledger, copy = module_stage.ledger(), module_stage.ledger()
    counter = module_stage.counter(ledger, max_paths=2, **PATIENT)
    counter.api.count({"/a": 1, "/b": 2})
    counter.api.count({"/c": 4, "/d": 8})
    exported = get(module_stage.render(counter).address, "/-/paths?format=csv").body
    assert b"(other paths),12" in exported
    at = (module_stage.counter(copy, admin_token=ADMIN_TOKEN, **PATIENT), copy)
    status, said, errors = command("import", "--add", "-", stdin=exported, at=at)
    assert status == 0 and "rows=2 paths=+2 hits=+3" in said and "skipped" in errors
    check(copy, [at[0]], {"/a": 1, "/b": 2})


def test_an_export_can_be_imported(module_stage, ledger, counters, api, command, root, tmp_path):
    hits = {f"{root}{name}": n + 1 for n, name in enumerate(["a", "b,c", 'd"e', "é\nf", "=1"])}
    api.count(hits)
    render = module_stage.render(counters[0])
    csv = get(render.address, "/-/paths?" + urlencode({"prefix": root}), {"Accept": "text/csv"}).body
    file = tmp_path / "counts.csv"
    file.write_bytes(csv)
    command("delete", "--prefix", root)
    status, said, errors = command("import", "--replace", file)
    assert status == 0 and f"rows={len(hits)} paths=+{len(hits)}" in said, errors
    check(ledger, counters, hits)
    assert command("import", "--add", "-", stdin=b"\xef\xbb\xbf" + csv)[0] == 0
    check(ledger, counters, {path: 2 * count for path, count in hits.items()})


def test_a_deletion_by_prefix_has_parts(ledger, counters, command, api, root):
    """Hits wait for each part, because it moves the history of its paths."""
    api.count_all({f"{root}{n:04}": 1 for n in range(1200)}, 1000)
    status, said, errors = command("delete", "--prefix", root)
    assert status == 0 and "rows=1200" in said, errors
    parts = ledger.run("SELECT count(*) FROM pathcount_changed_rows WHERE starts_with(path, %s) AND after IS NULL "
                       "GROUP BY change ORDER BY change", root)
    assert parts == [(1000,), (200,)]
    check(ledger, counters, {f"{root}{n:04}": 0 for n in (0, 999, 1000, 1199)})


@pytest.mark.parametrize("line, message", [
    ("a,1", "The path is not canonical"), ("/a,-1", "The count is not"), ("/a,01", "The count is not"),
    ("/a,9223372036854775808", "The count is not"), ("/a,", "The count is not"), ("/a,1,today", "A time does not"),
    ('"/a', "has no end"), ('"/a"b,1', "after a field")])
def test_a_file_with_an_error_is_not_imported(ledger, counters, command, root, tmp_path, line, message):
    file = tmp_path / "counts.csv"
    file.write_text(f"{root}a,1\n\n{line}\n")
    status, _, errors = command("import", "--add", file)
    assert status == 1 and "counts.csv:3: " in errors and message in errors
    check(ledger, counters, {root + "a": 0})


def test_a_repeated_import_continues_after_the_last_finished_part(ledger, counters, command, root, tmp_path):
    """The second part is refused at first. The first one is not imported again."""
    paths = [f"{root}{n:05}" for n in range(3000)]
    file = tmp_path / "counts.csv"
    file.write_text("path,count\n" + "".join(f"{path},2\n" for path in paths))
    ledger.fail_folding(paths[2900], "23514")
    status, _, errors = command("import", "--add", file, "--id", "my-import")
    assert status == 1 and "1 parts are done" in errors and "--id my-import" in errors
    check(ledger, counters, {paths[0]: 2, paths[2499]: 2, paths[2500]: 0, paths[2900]: 0})
    ledger.forget_failures()
    status, said, errors = command("import", "--add", file, "--id", "my-import")
    assert status == 0 and "rows=3000" in said, errors
    check(ledger, counters, {paths[0]: 2, paths[2499]: 2, paths[2500]: 2, paths[2999]: 2})


def test_a_change_whose_answer_is_lost_is_made_once(module_stage, ledger, counters, api, root):
    """The connection to PostgreSQL breaks after the commit began. The repeat returns the result of the change."""
    a = root + "a"
    with ledger.locked(a):
        body = {"id": secrets.token_hex(8), "kind": "import", "mode": "add", "rows": [{"path": a, "count": 5}]}
        later = Later(api.ask, "POST", "/v1/changes", body, ADMIN)
        until(lambda: ledger.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                                   "AND query LIKE '%%pathcount_change%%'") >= 1, "the change to wait")
        ledger.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                   "WHERE wait_event_type = 'Lock' AND query LIKE '%%pathcount_change%%'")
        assert later.result().status == 503
    ask(api, "import", **{key: body[key] for key in ("id", "mode", "rows")})
    assert ask(api, "import", **{key: body[key] for key in ("id", "mode", "rows")}).json()["repeat"]
    check(ledger, counters, {a: 5})


# --- normalise


ALL_RULES = dict.fromkeys(("path_lower_case", "path_collapse_slashes", "path_strip_index", "path_strip_slash"), "true")


@pytest.fixture
def table(module_stage, command):
    """The test's own ledger, because `normalise` changes all of it."""
    ledger = module_stage.ledger()
    counter = module_stage.counter(ledger, admin_token=ADMIN_TOKEN, **PATIENT)

    def normalise(*words, **keys):
        return command("normalise", *words, at=(counter, ledger), **keys)
    return ledger, counter, normalise


def test_rows_are_normalised_as_visits_are(module_stage, table):
    ledger, counter, normalise = table
    hits = {"/": 1, "/index.html": 2, "//": 4, "/A": 8, "/a/": 16, "/a//index.html": 32, "/É/б": 64, "/b": 128,
            "/Only//Upper": 256, "/ΣΑΣ": 512, "/İ": 1024}
    counter.api.count(hits)
    normal = {"/": 7, "/a": 56, "/é/б": 64, "/b": 128, "/only/upper": 256, "/σασ": 512, "/i": 1024}
    render = module_stage.render(counter, **ALL_RULES)
    before = ledger.counts()
    status, said, errors = normalise("--dry-run", **ALL_RULES)
    assert (status, errors) == (0, "") and "would change: rows=15 paths=-4 hits=+0" in said
    assert ledger.counts() == before and audit(counter.api) == []
    status, said, errors = normalise("--why", "one form", **ALL_RULES)
    assert (status, errors) == (0, "") and "changed: rows=15 paths=-4 hits=+0" in said
    check(ledger, [counter], normal)
    assert ledger.counts() == normal
    made, = audit(counter.api)
    assert (made["kind"], made["why"], made["changed"]) == ("normalise", "one form", 15)
    for path in hits:  # a hit of each old path is counted in the row that it has moved to
        assert get(render.address, quote(path), {"Accept": "application/json"}).json()["path"] in normal
    assert ledger.totals() == {"paths": len(normal), "hits": sum(hits.values()) + len(hits)}
    status, said, errors = normalise(**ALL_RULES)
    assert (status, errors) == (0, "") and "changed: rows=0 paths=+0 hits=+0" in said
    assert change(counter.api, "undo", path="/a//index.html")["undoes"] == made["change"]
    assert {path: count for path, count in ledger.counts().items() if path in hits and path not in normal} == {
        path: count for path, count in hits.items() if path not in normal}
    assert ledger.totals()["hits"] == sum(hits.values()) + len(hits)


def test_a_large_table_is_normalised_in_parts_under_load(table):
    """Rows of several parts have the same targets. The last part of these is undone before the first one."""
    ledger, counter, normalise = table
    numbers = [f"{number:04}" for number in range(1500)]
    for id_, form in enumerate(["/a/{}/", "/b/{}//", "/A/{}"]):
        change(counter.api, "import", mode="add", rows=[
            {"path": form.format(number), "count": 10 ** id_} for number in numbers])
    lane, stop = counter.api.lane(), []

    def hammer():
        for sequence in itertools.count(1):
            if stop:
                return sequence - 1
            assert counter.api.post(lane, sequence, {"/a/0000": 1, "/b/0000": 1}).status == 200
    hits = Later(hammer)
    rules = {"path_lower_case": "true", "path_strip_slash": "true"}
    status, said, errors = normalise(**rules)
    stop.append(True)
    counted = hits.result()
    assert status == 0 and "hits=+0" in said, errors
    check(ledger, [counter], {"/a/0001": 101, "/b/1499": 10, "/a/0000": 101 + counted, "/b/0000": 10 + counted})
    assert ledger.totals()["paths"] == 3000
    parts = [entry["change"] for entry in audit(counter.api) if entry["kind"] == "normalise"]
    assert len(parts) == 9  # of 500 rows: three of /A/, of /a/ and of /b/
    assert refusal(counter.api, "undo", path="/A/0001").startswith(f"Change {parts[8]} cannot be undone")
    assert change(counter.api, "undo", path="/a/0001/")["undoes"] == parts[5]
    assert change(counter.api, "undo", path="/A/0001")["undoes"] == parts[8]
    assert change(counter.api, "undo", path="/b/0001//")["undoes"] == parts[2]
    check(ledger, [counter], {"/a/0001": 0, "/a/0001/": 1, "/A/0001": 100, "/b/1499//": 0, "/b/0000": counted,
                              "/b/1499": 10, "/a/0000": counted})


def test_rows_whose_target_is_invalid_stay(table):
    ledger, counter, normalise = table
    hits = {"//-/x": 1, "/" + "Ⱥ" * 1000: 2, "/A": 4}
    counter.api.count(hits)
    status, said, errors = normalise(path_lower_case="true", path_collapse_slashes="true")
    assert status == 0 and "rows=2 paths=+0" in said
    assert "//-/x stays as it is: its normalised path is below /-/" in errors and "2,048 bytes" in errors
    assert ledger.counts() == {"//-/x": 1, "/" + "Ⱥ" * 1000: 2, "/a": 4}


def test_a_repeated_normalisation_continues(table):
    ledger, counter, normalise = table
    change(counter.api, "import", mode="add", rows=[{"path": f"/{n:04}/", "count": 2} for n in range(3000)])
    ledger.fail_folding("/2900", "23514")
    status, _, errors = normalise(path_strip_slash="true")
    assert status == 1 and "made by a test" in errors and "run the command again" in errors and "--id" not in errors
    check(ledger, [counter], {"/0000": 2, "/2499": 2, "/2499/": 0, "/2500/": 2, "/2900/": 2})
    ledger.forget_failures()
    status, said, errors = normalise(path_strip_slash="true")
    assert (status, errors) == (0, "") and "rows=1000" in said
    check(ledger, [counter], {"/0000": 2, "/2999": 2, "/2999/": 0})


def test_normalise_without_a_rule_changes_nothing(command):
    status, said, errors = command("normalise")
    assert status == 2 and not said and "no rule is set" in errors


def test_the_audit_trail_is_read_page_by_page(command, api, root):
    numbers = [change(api, "set", path=root + "a", count=count)["change"] for count in range(1, 23)]
    status, said, errors = command("log", root + "a")
    assert status == 0 and [int(line.split()[0]) for line in said.splitlines()[::2]] == numbers[:1:-1]
    assert f"--before {numbers[2]}\n" in errors
    status, said, errors = command("log", root + "a", "--before", numbers[2])
    assert (status, errors) == (0, "") and [int(line.split()[0]) for line in said.splitlines()[::2]] == numbers[1::-1]
