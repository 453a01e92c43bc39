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
NOBODY = ()  # has an answer to these
GROUPS = list(dict.fromkeys(case.group for case in catalogue.CASES))


@pytest.mark.timeout(240)
@pytest.mark.parametrize("group", GROUPS)
def test_tolerance(group):
    cases = [case for case in catalogue.CASES if case.group == group]
    results = run.run(cases, ["freshet"], AT_A_TIME)
    wrong = {case.title: results[case]["freshet"].shown() for case in cases
             if results[case]["freshet"].verdict != asking.GOOD}
    assert {title: told for title, told in wrong.items() if title not in NOBODY} == {}
