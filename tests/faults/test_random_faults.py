"""Faults in a random sequence; FAULTS_SEED and FAULTS_COUNT replay one."""

import itertools
import os
import time

from strike import sequence


def test_random_faults_one_after_the_other_lose_and_double_nothing(strikes):
    seed = int(os.environ.get("FAULTS_SEED") or time.time())
    count = int(os.environ.get("FAULTS_COUNT") or 10)
    print(f"FAULTS_SEED={seed} FAULTS_COUNT={count}")  # a failed test shows it
    strikes.seed = seed
    for number, (name, where) in enumerate(itertools.islice(sequence(seed), count)):
        print(f"{number}: {name}{', ' if where else ''}{where}")
        strikes.strike(name, where)
    strikes.audit_everything()
