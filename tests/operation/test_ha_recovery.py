"""Point-in-time recovery with real servers under Patroni, pgBackRest, etcd and counter-svc. All servers are
lost. For every path, the restored ledger has its count of the chosen time."""
import collections
import re
import secrets
import shutil

import pytest

from ha_members import Archive, Etcd, folder_of_postgres
from harness.api import Api
from harness.stage import Stage
from harness.wait import Later, holds_for, until
from prometheus import ARCHIVE_ROW, alerts, dashboard_queries, promtool

ARCHIVED_S = 60


class Stack:
    """Two servers, the repository, and a counter-svc that uses both servers."""

    def __init__(self, folder, logs):
        self.folder, self.password = folder, secrets.token_hex(8)
        self.etcd = Etcd(folder)
        self.archive = Archive(folder, self.etcd, ("a", "b"))
        self.first, self.second = self.archive.servers
        self.repository = self.archive.programs["repository"]
        self._stage = Stage(None, logs)
        self.counted = collections.Counter()

    def begin(self):
        self.first.start()
        self.first.until_role("master", "primary")
        with self.first.connect() as server:
            server.execute(f"CREATE ROLE pathcount LOGIN PASSWORD '{self.password}'")
            server.execute("CREATE DATABASE pathcount OWNER pathcount")
        self.second.start()
        self.second.until_role("sync")

    def counter(self):
        counter = self._stage.service("counter-svc", {
            "postgres_user": "pathcount", "postgres_pw": self.password, "postgres_db": "pathcount",
            "postgres_url": ",".join(f"127.0.0.1:{one.port}" for one in self.archive.servers)})
        counter.until_ready()
        self.api = Api(counter.address)
        return counter

    def count(self, batches):
        """Sends batches one after the other. Each answer must have the expected count."""
        for number in range(batches):
            hits = {f"/{number % 7}": 1, "/every": number + 1}
            self.counted.update(hits)
            assert self.api.count(hits) == {path: self.counted[path] for path in hits}

    @staticmethod
    def stored(server):
        with server.connect("pathcount") as connection:
            return collections.Counter(dict(connection.execute("SELECT path, count FROM pathcount_now")))

    @staticmethod
    def value(server, query):
        with server.connect("pathcount") as connection:
            return connection.execute(query).fetchone()[0]

    def until_archived(self, server):
        """The present counts, once the WAL file with them is in the repository."""
        name = self.value(server, "SELECT pg_walfile_name(pg_switch_wal())")
        until(lambda: self.value(server, "SELECT last_archived_wal FROM pg_stat_archiver") >= name,
              "WAL to be archived", ARCHIVED_S)

    def lose(self, data):
        for server in self.archive.servers:
            server.kill()
            if data:
                shutil.rmtree(server.data)

    def restore(self, time_wanted):
        """Does the same as swarm/restore --at, on the first server."""
        def request():
            try:
                self.repository.restore.request("a", time_wanted)
            except SystemExit as refusal:
                assert "still has the lock" in str(refusal)
                return False
            return True
        until(request, "the lock of the primary that was lost to end", 60, pause=0.5)
        self.archive.begin_restored(self.first)

    def wanted(self):
        return self.archive.programs["a"].restore.await_turn()

    def close(self):
        self._stage.close()
        self.archive.close()
        self.etcd.close()
        shutil.rmtree(self.folder)


@pytest.fixture(name="stack")
def fixture_stack(tmp_path):
    stack = Stack(folder_of_postgres(), tmp_path)
    try:
        stack.begin()
        yield stack
    finally:
        stack.close()


def backed_up(stack):
    """After a base backup, at a time in a later second."""
    stack.repository.repository.base_backup()
    ended = stack.repository.repository.last_backup(stack.repository.repository.known_backups())
    until(lambda: stack.value(stack.first, "SELECT extract(epoch FROM now())") > ended + 1,
          "the second of the backup to pass")


def check_metrics(text):
    assert promtool("check", "metrics", stdin=text) == (0, "")
    conditions = [rule["expr"] for rule in alerts().values()] + [
        query for _, query in dashboard_queries(ARCHIVE_ROW)]
    asked = {name for condition in conditions for name in re.findall(r"\bpgbackrest_\w+", condition)}
    values = dict(re.findall(r"^(pgbackrest_\w+) (\S+)$", text, re.MULTILINE))
    assert asked == set(values) and all(float(value) > 0 for value in values.values())


def test_the_ledger_of_a_time_is_restored_after_the_loss_of_all_servers(stack, monkeypatch, tmp_path):
    counter = stack.counter()
    stack.count(1)
    backed_up(stack)
    stack.count(40)
    wanted = stack.counted.copy()
    moment = stack.value(stack.first, "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC',"
                                      " 'YYYY-MM-DD HH24:MI:SS.US') || '+00'")
    generation = stack.value(stack.first, "SELECT generation FROM pathcount_checkpoint")
    stack.count(30)
    assert stack.stored(stack.first) == stack.counted != wanted
    stack.until_archived(stack.first)
    known = stack.repository.repository.known_backups()
    check_metrics(stack.repository.repository.metrics(known, shutil.disk_usage(tmp_path)))
    counter.stop()

    with pytest.raises(SystemExit, match="still has the lock"):
        stack.repository.restore.request("a", moment)
    stack.lose(data=True)
    stack.restore(moment)
    assert stack.stored(stack.first) == wanted

    # The other server must not start before this one has been restored.
    turn = Later(stack.archive.programs["b"].restore.await_turn)
    assert holds_for(lambda: not turn.done, 1.5)
    monkeypatch.setenv("PGPORT", str(stack.first.port))
    stack.archive.programs["a"].restore.restored("postgres://ignored")
    assert turn.result() is None
    assert stack.value(stack.first, "SELECT generation FROM pathcount_checkpoint") != generation
    assert stack.stored(stack.first) == wanted
    stack.second.start()
    stack.second.until_role("sync")

    # Counting, archiving and failover work again.
    stack.counted = wanted.copy()
    counter = stack.counter()
    stack.count(20)
    stack.until_archived(stack.first)
    stack.first.kill()
    stack.second.until_role("master", "primary")
    stack.first.start()
    stack.first.until_role("sync")
    stack.count(20)
    stack.until_archived(stack.second)
    counter.stop()

    # The present data is set aside, and the other server discards its own.
    stack.lose(data=False)
    stack.restore("latest")
    assert stack.stored(stack.first) == stack.counted
    assert (stack.first.folder / f"before-restore-{stack.wanted()['id']}" / "PG_VERSION").exists()
    stack.archive.programs["a"].restore.restored()
    stack.second.start()
    stack.second.until_role("sync")
    assert stack.stored(stack.second) == stack.counted
