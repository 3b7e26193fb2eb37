"""Queries and changes of the cluster."""
import base64
import json
import sys
import time
import urllib.error
import urllib.request

from . import etcd, here

SWITCHOVER_S = 60
# Limit of the time until Patroni sees a change in etcd.
AGREED_S = 10


def ask(path, body=None):
    """Patroni's response: status, and JSON or else text."""
    address = (here.RUN / "address").read_text(encoding="utf-8")
    request = urllib.request.Request(f"http://{address}:{here.REST_PORT}{path}")
    if body is not None:
        request.data = json.dumps(body).encode()
        credentials = base64.b64encode(f"patroni:{here.secret('patroni_pw')}".encode()).decode()
        request.add_header("Authorization", f"Basic {credentials}")
    try:
        with urllib.request.urlopen(request, timeout=SWITCHOVER_S) as answer:
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read().decode()
    except OSError as error:
        sys.exit(f"ha: Patroni does not answer: {error}")
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text


def servers():
    """The servers and their states. After an interruption, Patroni can hold a view from before it. Such a
    view names another leader than etcd, so this waits until both agree."""
    deadline = time.monotonic() + AGREED_S
    while True:
        status_code, known = ask("/cluster")
        if status_code != 200 or "members" not in known:
            sys.exit("ha: Patroni does not know the cluster; etcd may have no quorum")
        if leader(known["members"]) == etcd.lock_owner():
            return sorted(known["members"], key=lambda one: one["name"])
        if time.monotonic() > deadline:
            sys.exit(f"ha: Patroni and etcd still name different leaders after {AGREED_S} s; retry")
        time.sleep(0.5)


def leader(known):
    return next((one["name"] for one in known if one["role"] in ("leader", "standby_leader")), None)


def status():
    for one in servers():
        print(one["name"], one["role"], one["state"], one.get("timeline", "-"), one.get("lag", "-"))


def etcd_status():
    states = {name: "unhealthy" if etcd.etcdctl(name, "endpoint", "health") is None else "healthy"
              for name in here.MEMBERS}
    for name, state in states.items():
        print(name, state)
    sys.exit("unhealthy" in states.values())


def primary():
    name = leader(servers())
    if name is None:
        sys.exit("ha: there is no primary at the moment")
    print(name)


def switchover(candidate=None):
    """Waits until the new primary has a synchronous standby, so that the next one can follow."""
    known = servers()
    old = leader(known)
    standby = next((one["name"] for one in known if one["role"] == "sync_standby"), None)
    candidate = candidate or standby
    if old is None or standby is None:
        sys.exit("ha: there is no primary with a synchronous standby; see `swarm/status`")
    if candidate == old:
        sys.exit(f"ha: {old} is already the primary")
    if candidate != standby:
        sys.exit(f"ha: {candidate} is not the synchronous standby; {standby} is")
    status_code, said = ask("/switchover", {"leader": old, "candidate": candidate})
    if status_code not in (200, 202):
        sys.exit(f"ha: Patroni refused the switchover: {said}")
    deadline = time.monotonic() + SWITCHOVER_S
    while True:
        known = servers()
        if leader(known) == candidate and any(one["role"] == "sync_standby" for one in known):
            print(candidate)
            return
        if time.monotonic() > deadline:
            sys.exit(f"ha: {candidate} has no synchronous standby after {SWITCHOVER_S} s")
        time.sleep(0.5)
