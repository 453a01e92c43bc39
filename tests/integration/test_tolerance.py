"""The catalogue of bench/tolerance, with freshet alone: what is right of each odd server, network and client."""

import os
import sys

import pytest

import process

BENCH = os.path.join(process.ROOT, "bench")
sys.path[:0] = [os.path.join(BENCH, "tolerance"), os.path.join(BENCH, "common")]

# pylint: disable=wrong-import-position
import asking  # noqa: E402
import catalogue  # noqa: E402
import run  # noqa: E402

AT_A_TIME = 24
GROUPS = list(dict.fromkeys(case.group for case in catalogue.CASES))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("group", GROUPS)
def test_tolerance(group):
    cases = [case for case in catalogue.CASES if case.group == group]
    results = run.run(cases, ["freshet"], AT_A_TIME)
    told = {case.name: results[case]["freshet"] for case in cases}
    wrong = {name: one.shown() for name, one in told.items() if one.verdict != asking.GOOD}
    assert {name: one for name, one in wrong.items() if name not in catalogue.HARD.get(group, ())} == {}
