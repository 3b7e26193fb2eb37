"""swarm/backup and swarm/restore with PostgreSQL's own tools and a running pair. tests/overlay/test_backup.py
tests how they reach a container."""

import os
import pathlib
import subprocess

import pytest

from harness.api import Api, counts_of
from harness.load import audit
from harness.postgres import programs
from harness.services import ROOT
from harness.wait import until

FAKE_DOCKER = pathlib.Path(__file__).parent / "docker_exec"
PATHS = [f"/{n}" for n in range(30)] + ["/a b/é", "/😀", "/tab\tand\nline"]


@pytest.fixture(scope="module")
def only_ledger(cluster):
    """A ledger whose database and role have the names that the commands for Swarm expect."""
    yield cluster.new_ledger(role="pathcount", database="pathcount")
    cluster.run("DROP DATABASE pathcount WITH (FORCE)")
    cluster.run("DROP ROLE pathcount")


@pytest.fixture
def ledger(only_ledger):
    """The same ledger, empty."""
    only_ledger.destroy()
    return only_ledger


@pytest.fixture
def command(cluster):
    """Runs a command of swarm/, and expects it to succeed or to fail with this text."""
    def run(name, *words, says_no=None, **environ):
        done = subprocess.run(
            [os.path.join(ROOT, "swarm", name), *map(str, words)], capture_output=True, text=True,
            check=False, stdin=subprocess.DEVNULL, timeout=60, env={
                "PATH": f"{programs()}:/usr/bin:/bin", "DOCKER": str(FAKE_DOCKER),
                "PGHOST": cluster.folder, "PGPORT": str(cluster.port), **environ})
        if says_no is None:
            assert done.returncode == 0, done.stdout + done.stderr
        else:
            assert done.returncode == 1 and says_no in done.stderr, done.stdout + done.stderr
        return done.stdout
    return run


def rows(ledger):
    return [ledger.run(f"SELECT * FROM {table} ORDER BY 1") for table in ("pathcount", "pathcount_schema")]


def test_a_backup_restores_everything(stage, ledger, command, tmp_path):
    counter = stage.counter(ledger)
    hits = {path: n + 1 for n, path in enumerate(PATHS)}
    counter.api.count(hits)
    assert ledger.folded() == hits
    before = rows(ledger)
    command("backup", tmp_path / "dump")
    counter.stop()
    ledger.destroy()
    said = command("restore", tmp_path / "dump")
    assert f"{len(PATHS)} paths, {sum(hits.values())} hits" in said
    assert rows(ledger) == before
    api = Api(counter.restart().until_ready().address)
    assert api.count({"/0": 1}) == {"/0": 2}
    assert ledger.totals() == ledger.totals_by_scanning()


def test_restored_objects_belong_to_the_role_of_the_service(stage, ledger, command, tmp_path):
    stage.counter(ledger).api.count({"/a": 1})
    command("backup", tmp_path / "dump")
    command("restore", "--replace", tmp_path / "dump")
    assert {owner for owner, in ledger.run(
        "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "UNION ALL SELECT pg_get_userbyid(proowner) FROM pg_proc "
        "WHERE pronamespace = 'public'::regnamespace")} == {"pathcount"}


def test_a_ledger_with_counts_is_only_replaced_on_request(stage, ledger, command, tmp_path):
    api = stage.counter(ledger).api
    api.count({"/a": 1})
    command("backup", tmp_path / "dump")
    api.count({"/a": 1, "/b": 1})
    command("restore", tmp_path / "dump", says_no="the ledger has 2 paths")
    assert ledger.counts() == {"/a": 2, "/b": 1}
    command("restore", "--replace", tmp_path / "dump")
    assert ledger.counts() == {"/a": 1}


def test_a_table_of_the_old_server_is_only_replaced_on_request(stage, ledger, command, tmp_path):
    counter = stage.counter(ledger)
    counter.api.count({"/a": 1})
    command("backup", tmp_path / "dump")
    counter.stop()
    ledger.destroy()
    with ledger.connect_as_owner() as old:
        old.execute("CREATE TABLE pathcount (path TEXT PRIMARY KEY, count INT DEFAULT 0)")
        old.execute("INSERT INTO pathcount VALUES ('/old', 7)")
    command("restore", tmp_path / "dump", says_no="the ledger has 1 paths")
    assert ledger.counts() == {"/old": 7}


def test_a_damaged_backup_changes_nothing(stage, ledger, command, tmp_path):
    api = stage.counter(ledger).api
    api.count({f"/{n:05}": 1 for n in range(1000)})
    command("backup", tmp_path / "dump")
    whole = (tmp_path / "dump").read_bytes()
    for end in (len(whole) - 200, len(whole) // 2, 100, 0):
        (tmp_path / "cut").write_bytes(whole[:end])
        command("restore", "--replace", tmp_path / "cut", says_no="")
        assert len(ledger.counts()) == 1000
    assert api.count({"/00000": 1}) == {"/00000": 2}


def test_a_backup_file_is_complete_or_missing(ledger, command, tmp_path, cluster):
    (tmp_path / "dump").write_text("the one before")
    command("backup", tmp_path / "dump", PGPORT="1", says_no="pg_dump failed")
    assert [path.name for path in tmp_path.iterdir()] == ["dump"]
    assert (tmp_path / "dump").read_text() == "the one before"
    command("backup", tmp_path / "dump")
    assert (tmp_path / "dump").stat().st_mode & 0o777 == 0o600


def test_both_commands_name_the_host_of_the_database(command, tmp_path):
    (tmp_path / "dump").touch()
    for name in ("backup", "restore"):
        command(name, tmp_path / "dump", LEDGER_ELSEWHERE="h2", says_no="DOCKER_HOST=ssh://h2")


def test_lanes_are_restored_with_their_counts(stage, ledger, command, tmp_path):
    """The ledger goes back to an earlier state. It has a batch exactly if its lane has the batch's sequence
    number."""
    api = stage.counter(ledger).api
    kept, later, beyond = api.lane(), api.lane(), api.lane()
    for lane in (kept, later, beyond):
        counts_of(api.post(lane, 1, {"/a": 1}), {"/a": 1})
    command("backup", tmp_path / "dump")
    for lane, sequence in ((later, 2), (beyond, 2), (beyond, 3)):
        counts_of(api.post(lane, sequence, {"/a": 1}), {"/a": 1})
    unknown = api.lane()
    command("restore", "--replace", tmp_path / "dump")
    assert ledger.count("/a") == 3
    api = stage.counter(ledger).api
    assert api.post(kept, 1, {"/a": 1}).status == 200 and ledger.count("/a") == 3   # this batch is in the backup
    assert api.post(later, 2, {"/a": 1}).status == 200 and ledger.count("/a") == 4  # this one is not
    assert api.post(beyond, 3, {"/a": 1}).status == 409                             # nor are earlier batches
    assert api.post(unknown, 1, {"/a": 1}).status == 409
    assert ledger.count("/a") == 4
    assert ledger.totals() == ledger.totals_by_scanning()


def test_old_lanes_are_not_deleted_right_after_a_restore(stage, ledger, command, tmp_path):
    """A renderer that was cut off when the backup was made, and still is, may yet repeat its batch."""
    api = stage.counter(ledger).api
    lane = api.lane()
    counts_of(api.post(lane, 1, {"/a": 1}), {"/a": 1})
    ledger.folded()
    ledger.run("UPDATE pathcount_lanes SET used_at = now() - interval '1 week'")
    command("backup", tmp_path / "dump")
    command("restore", "--replace", tmp_path / "dump")
    assert ledger.value("SELECT max(now() - used_at) < interval '1 hour' FROM pathcount_lanes")
    until(lambda: api.post(lane, 1, {"/a": 1}).json().get("repeat"), "the repeat to be known")


def test_a_backup_of_an_older_schema_is_upgraded(stage, ledger, command, tmp_path):
    """The counter is connected all the time."""
    counter = stage.counter(ledger)
    counter.api.count({"/a": 2})
    counter.stop()
    with open(os.path.join(ROOT, "counter-svc", "ledger", "schema", "revert-004.sql"), encoding="utf-8") as file:
        with ledger.connect_as_owner() as owner:
            owner.execute(file.read())
    command("backup", tmp_path / "dump")
    counter.restart().until_ready()
    api = Api(counter.address)
    assert until(lambda: api.post(api.lane(), 1, {"/a": 1}).status == 200, "a hit to be counted")
    command("restore", "--replace", tmp_path / "dump")
    assert ledger.value("SELECT max(version) FROM pathcount_schema") == 3
    assert ledger.counts() == {"/a": 2}

    def count_again():
        lane = api.ask("POST", "/v1/lanes")
        return lane.status == 201 and api.post(lane.json()["lane"], 1, {"/a": 1}).status == 200

    until(count_again, "a hit to be counted")
    assert ledger.value("SELECT max(version) FROM pathcount_schema") == 6
    assert ledger.count("/a") == 3


def test_a_backup_during_folds_has_every_hit_confirmed_before_it(stage, ledger, command, tmp_path):
    """Each hit is in the backup once, whether it is in the journal, in the tables, or being folded."""
    counter = stage.counter(ledger, fold_interval_ms=100)
    load = stage.load([stage.render(counter)], PATHS, clients=8)
    load.until_acknowledged(200)
    bounds = []
    for number in range(4):
        least = {path: load.tally.acknowledged[path] for path in PATHS}
        command("backup", tmp_path / f"{number}")
        bounds.append((least, {path: load.tally.sent[path] for path in PATHS}))
        load.until_acknowledged(300)
    tally = load.stop()
    assert set(tally.statuses) == {200}
    counter.stop()
    for number, (least, most) in enumerate(bounds):
        command("restore", "--replace", tmp_path / f"{number}")
        counts = ledger.counts()
        for path in PATHS:
            assert least[path] <= counts.get(path, 0) <= most[path]
        assert ledger.totals() == ledger.totals_by_scanning()


def test_backup_and_restore_under_load(stage, ledger, command, tmp_path):
    """A backup fails no request. A restore loses only the hits since the backup. No hit is counted twice, and
    later hits are counted."""
    counters = [stage.counter(ledger) for _ in range(2)]
    renders = [stage.render(counter) for counter in counters]
    load = stage.load(renders, PATHS, clients=8)
    load.until_acknowledged(300)
    command("backup", tmp_path / "dump")
    load.until_acknowledged(100)
    tally = load.stop()
    assert set(tally.statuses) == {200} and not tally.lost
    audit(tally, ledger.counts())
    generation = ledger.value("SELECT generation FROM pathcount_checkpoint")

    during = stage.load(renders, ["/during"], clients=8)
    during.until_acknowledged(50)
    command("restore", "--replace", tmp_path / "dump")
    assert ledger.value("SELECT generation FROM pathcount_checkpoint") != generation
    for render in renders:
        render.until_ready()
    during.until_acknowledged(50)
    tally = during.stop()
    assert set(tally.statuses) <= {200, 503} and not tally.lost, tally
    restored = {path: count for path, count in ledger.counts().items() if path != "/during"}
    assert 300 <= sum(restored.values())
    assert 50 <= ledger.count("/during") <= tally.sent["/during"]

    before = ledger.counts()
    load = stage.load(renders, PATHS, clients=8)
    load.until_acknowledged(200)
    tally = load.stop()
    assert set(tally.statuses) == {200} and not tally.lost
    assert audit(tally, ledger.counts(), before) == sum(tally.acknowledged.values())
    kept, scanned = ledger.totals_both_ways()
    assert kept == scanned
