"""Prometheus and real members of --ha: the dashboard's queries and the alerts' conditions, while members are
stopped."""
import re
import shutil

import pytest

from ha_members import Etcd, Server, folder_of_postgres
from harness.wait import until
from prometheus import HA_ROW, Prometheus, alerts, dashboard_queries

SEEN_S = 60
SERIES = r"\b(?:patroni|etcd)_\w+"


@pytest.fixture(name="members")
def fixture_members():
    """A member of etcd, a primary and its synchronous standby."""
    folder = folder_of_postgres()
    etcd = Etcd(folder)
    primary, standby = servers = [Server(name, etcd, folder) for name in "ab"]
    try:
        primary.start()
        primary.until_role("master", "primary")
        standby.start()
        standby.until_role("sync")
        yield etcd, primary, standby
    finally:
        for server in servers:
            server.kill()
        etcd.close()
        shutil.rmtree(folder)


def ha_alerts():
    return {name: rule["expr"] for name, rule in alerts().items() if "pgbackrest" not in rule["expr"]
            and re.search(SERIES + '|job="(?:patroni|etcd)"', rule["expr"])}


def test_roles_lag_and_etcd_are_monitored_and_failures_raise_alerts(members, tmp_path):
    etcd, primary, standby = members
    targets = {"patroni": [primary.rest, standby.rest], "etcd": [etcd.address]}

    def seen(alert):
        until(lambda: prometheus.query(ha_alerts()[alert]), f"{alert} to be seen", SEEN_S)

    def of(server):
        return '{instance="%s:%d"}' % server.rest

    with Prometheus(tmp_path, targets) as prometheus:
        until(lambda: prometheus.value("sum(up)") == 3, "all three to be scraped", SEEN_S)
        assert prometheus.value("patroni_primary" + of(primary)) == 1
        assert prometheus.value("patroni_sync_standby" + of(standby)) == 1
        for panel, query in dashboard_queries(HA_ROW):
            until(lambda q=query: prometheus.query(q), f"{panel}: {query} to find something", SEEN_S)
        for name, condition in ha_alerts().items():
            for series in set(re.findall(SERIES, condition)):
                assert prometheus.query(series), f"{name}: there is no {series}"
        # A disk may be slow while other tests run. No other alert may fire.
        wrong = {name for name, condition in ha_alerts().items() if prometheus.query(condition)}
        assert wrong <= {"PathcountEtcdSlow"}

        standby.kill()
        seen("PathcountDatabaseServerDown")
        seen("PathcountNoSynchronousStandby")
        assert not prometheus.query(ha_alerts()["PathcountNoPrimary"])
        etcd.close()
        seen("PathcountEtcdMemberDown")
        seen("PathcountEtcdNoMajority")
        # Patroni stops the primary, which cannot renew its lock.
        seen("PathcountNoPrimary")
