#!/usr/bin/python3
"""Commits at the server on 127.0.0.1, twice a second, until standard input ends. The first line of input is
the password of counter-svc's role. Prints [cluster, timeline, start, end] of each confirmed commit without a
warning. The cluster is PostgreSQL's system identifier, which differs for a new cluster."""
import json
import sys
import threading
import time

import psycopg

PAUSE_S = 0.5


def commit(password):
    warnings = []
    with psycopg.connect(host="127.0.0.1", user="pathcount", password=password, dbname="pathcount",
                         connect_timeout=3, autocommit=True, application_name="test") as connection:
        connection.add_notice_handler(warnings.append)
        while True:
            start = time.time()
            cluster, timeline = connection.execute(
                "SELECT system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int"
                " FROM pg_control_system()").fetchone()
            connection.execute("SET synchronous_commit = on")
            connection.execute("SELECT pg_logical_emit_message(true, 'test', '')")
            if warnings:
                return
            print(json.dumps([cluster, timeline, start, time.time()]), flush=True)
            time.sleep(PAUSE_S)


def ask(password):
    while True:
        try:
            commit(password)
        except psycopg.Error:
            pass
        time.sleep(PAUSE_S)


def main():
    password = sys.stdin.readline().strip()
    threading.Thread(target=ask, args=(password,), daemon=True).start()
    sys.stdin.read()


main()
