"""Restore to a time: one server starts from the repository, and the others wait."""
import base64
import datetime
import json
import pathlib
import shutil
import subprocess
import sys
import time

from . import backrest, etcd, here

# In etcd: the server that restores, and the time to which it does.
RESTORE_KEY = "/pathcount/restore"

# Also used by swarm/restore.
AFTER_RESTORE = pathlib.Path(__file__).with_name("after_restore.sql")


def begin(config, path, time_wanted):
    """Starts a new cluster from the repository, at its state at this time or at the latest one."""
    bootstrap = config["bootstrap"]
    del bootstrap["initdb"]
    command = f"pgbackrest --config={path} --stanza={backrest.STANZA} restore"
    if time_wanted != here.LATEST:
        command += f' --type=time --target="{time_wanted}" --target-action=promote'
    bootstrap.update(method="pgbackrest", post_bootstrap="/usr/local/bin/ha restored", pgbackrest={
        "command": command, "no_params": True, "keep_existing_recovery_conf": True})


def await_turn():
    """The restore that this server has to make, or None. Waits while another one restores: the data here
    will be replaced."""
    said = None
    while True:
        answers = (etcd.etcdctl(name, "get", RESTORE_KEY) for name in here.MEMBERS)
        answer = next((one for one in answers if one is not None), None)
        if answer is not None:
            found = answer.get("kvs")
            wanted = json.loads(base64.b64decode(found[0]["value"])) if found else None
            if wanted is None or wanted["member"] == here.member():
                return wanted
            waits_for = f"server {wanted['member']} to be restored"
        else:
            waits_for = "etcd to answer"
        if said != waits_for:
            here.say(f"waiting for {waits_for}")
            said = waits_for
        time.sleep(1)


def set_aside(number):
    """Keeps the data that the last restore replaced, on the same disk."""
    data = pathlib.Path(here.PGDATA)
    kept = data.with_name(f"before-restore-{number}")
    if data.exists() and kept.exists():
        shutil.rmtree(data)     # of a failed attempt
    elif data.exists():
        for older in data.parent.glob("before-restore-*"):
            shutil.rmtree(older)
        data.rename(kept)


def restored(_connection=None):
    """Patroni's post_bootstrap. Its argument, the database's address, is not needed. The SQL runs as
    counter-svc's role: that role owns the functions and could have changed them."""
    subprocess.run(
        ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--host={here.SOCKETS}",
         "--username=postgres", "--dbname=pathcount", "--command=SET ROLE pathcount",
         "--command=SET search_path = public", f"--file={AFTER_RESTORE}"],
        check=True, timeout=300)
    if all(etcd.etcdctl(name, "del", RESTORE_KEY) is None for name in here.MEMBERS):
        sys.exit("ha: etcd did not delete the request of the finished restore; retrying")


def request(name, time_wanted):
    """Fails while a server has the lock, because it would count hits in the data to be replaced."""
    if name not in here.MEMBERS:
        sys.exit(f"ha: there is no server {name}; expected one of {', '.join(here.MEMBERS)}")
    try:
        if time_wanted != here.LATEST:
            datetime.datetime.strptime(time_wanted, "%Y-%m-%d %H:%M:%S.%f+00")
    except ValueError:
        sys.exit(f"ha: {time_wanted!r} is not a time such as 2026-01-31 23:59:59.000000+00,"
                 f" or {here.LATEST}")
    if etcd.lock_owner() is not None:
        sys.exit("ha: a database server still has the lock; stop all three and retry after 16 s")
    me = here.member()
    wanted = json.dumps({"member": name, "time": time_wanted, "id": int(time.time())})
    if etcd.etcdctl(me, "put", RESTORE_KEY, wanted) is None or \
            etcd.etcdctl(me, "del", "--prefix", etcd.PATRONI_KEYS) is None:
        sys.exit("ha: etcd did not accept the request; run this command again")
