"""A member of etcd, and requests to the others."""
import base64
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

from . import here

DATA = pathlib.Path("/var/lib/etcd/data")
ID = pathlib.Path("/var/lib/etcd/member-id")
# Milliseconds. An election takes one to two election timeouts. Patroni tries the members one after the other,
# for a third of RETRY_TIMEOUT each. By then, the second one must know the new leader.
HEARTBEAT_MS, ELECTION_MS = 200, 2000
PATRONI_KEYS = "/service/pathcount/"


def etcdctl(name, *arguments):
    """Queries another member of etcd; None if it does not answer."""
    try:
        socket.create_connection((f"etcd-{name}", here.CLIENT_PORT), timeout=2).close()
    except OSError:
        return None
    done = subprocess.run(
        ["etcdctl", f"--endpoints=http://etcd-{name}:{here.CLIENT_PORT}", "--command-timeout=5s",
         "--write-out=json", *arguments],
        env={**os.environ, "ETCDCTL_API": "3"}, capture_output=True, text=True, check=False,
        timeout=30)
    return json.loads(done.stdout) if done.returncode == 0 else None


def lock_owner():
    """The server that has the lock of the primary; None if the lock is free. The majority of etcd confirms
    it, so it is never an old value."""
    me = here.member()
    for name in (me, *(other for other in here.MEMBERS if other != me)):
        said = etcdctl(name, "get", f"{PATRONI_KEYS}leader")
        if said is not None:
            keys = said.get("kvs")
            return base64.b64decode(keys[0]["value"]).decode() if keys else None
    sys.exit("ha: etcd does not answer; it may have no quorum")


def peer_url(name):
    return f"http://etcd-{name}:{here.PEER_PORT}"


def join():
    """How a member without data starts: (`new`, all members) when the cluster is being created. (`existing`,
    its members) when the others know this member: its disk was lost, and it replaces its own entry."""
    me = here.member()
    for other in here.MEMBERS:
        known = other != me and etcdctl(other, "member", "list")
        if not known:
            continue
        mine = [one for one in known["members"] if peer_url(me) in one["peerURLs"]]
        if mine and mine[0].get("name") and not mine[0].get("clientURLs"):
            break  # this member has not started yet: a new cluster
        if mine and mine[0].get("name"):
            here.say(f"the data of this member are lost: replacing member {mine[0]['ID']:x}")
            if etcdctl(other, "member", "remove", f"{mine[0]['ID']:x}") is None:
                sys.exit("ha: etcd did not remove the lost member; retrying")
            mine = []
        if not mine and etcdctl(other, "member", "add", me, f"--peer-urls={peer_url(me)}") is None:
            sys.exit("ha: etcd did not add this member; retrying")
        others = [one["name"] for one in known["members"] if peer_url(me) not in one["peerURLs"]]
        return "existing", sorted({*others, me})
    return "new", here.MEMBERS


def was_removed():
    """Whether the data belong to a removed member: another host replaced it meanwhile. etcd would not start
    with them."""
    if not ID.exists():
        return False
    for other in here.MEMBERS:
        known = other != here.member() and etcdctl(other, "member", "list")
        if known:
            noted = ID.read_text(encoding="utf-8")
            return noted not in {f"{one['ID']:x}" for one in known["members"]}
    return False


def note_id():
    """Stores the id of this member as soon as etcd reports it; runs beside etcd."""
    if os.fork() != 0:
        return
    while True:
        said = etcdctl(here.member(), "endpoint", "status")
        if said:
            ID.write_text(f"{said[0]['Status']['header']['member_id']:x}", encoding="utf-8")
            os._exit(0)
        time.sleep(1)


def become():
    me = here.member()
    if was_removed():
        here.say("the data belong to a removed member; this host joins as a new one")
        shutil.rmtree(DATA)
    state, names = ("existing", here.MEMBERS) if (DATA / "member").exists() else join()
    note_id()
    here.write("health", f"127.0.0.1 {here.METRICS_PORT} /metrics\n")
    os.execvp("etcd", [
        "etcd", f"--name={me}", f"--data-dir={DATA}",
        f"--listen-peer-urls=http://0.0.0.0:{here.PEER_PORT}",
        f"--listen-client-urls=http://0.0.0.0:{here.CLIENT_PORT}",
        f"--listen-metrics-urls=http://127.0.0.1:{here.METRICS_PORT}",
        f"--advertise-client-urls=http://etcd-{me}:{here.CLIENT_PORT}",
        f"--initial-advertise-peer-urls={peer_url(me)}",
        "--initial-cluster=" + ",".join(f"{name}={peer_url(name)}" for name in names),
        f"--initial-cluster-state={state}", "--initial-cluster-token=pathcount",
        f"--heartbeat-interval={HEARTBEAT_MS}", f"--election-timeout={ELECTION_MS}",
        "--auto-compaction-mode=periodic", "--auto-compaction-retention=1h",
        "--logger=zap", "--log-level=warn"])
