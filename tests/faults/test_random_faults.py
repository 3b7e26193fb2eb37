"""Faults in a random sequence; FAULTS_SEED and FAULTS_COUNT replay one."""

import itertools
import os
import time

from strike import sequence


def test_random_faults_one_after_the_other_lose_and_double_nothing(strikes, capsys):
    seed = int(os.environ.get("FAULTS_SEED") or time.time())
    count = int(os.environ.get("FAULTS_COUNT") or 20)
    with capsys.disabled():
        print(f"\nFAULTS_SEED={seed} FAULTS_COUNT={count}")
    strikes.seed = seed
    for number, (name, where) in enumerate(itertools.islice(sequence(seed), count)):
        with capsys.disabled():
            print(f"{number}: {name}{', ' if where else ''}{where}", flush=True)
        strikes.strike(name, where)
    strikes.audit_everything()
