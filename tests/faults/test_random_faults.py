"""Faults in a random sequence; FAULTS_SEED and FAULTS_COUNT replay one."""

import itertools
import os
import time

from strike import sequence


def test_every_hit_is_counted_once_during_random_faults(strikes):
    seed = int(os.environ.get("FAULTS_SEED") or time.time())
    count = int(os.environ.get("FAULTS_COUNT") or 10)
    print(f"FAULTS_SEED={seed} FAULTS_COUNT={count}")  # a failed test shows this line
    strikes.seed = seed
    for number, (name, where) in enumerate(itertools.islice(sequence(seed), count)):
        print(f"{number}: {name}{', ' if where else ''}{where}")
        strikes.strike(name, where)
    strikes.audit_everything()
