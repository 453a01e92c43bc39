"""Fixtures of the fault runs: three brokers, a network that can be cut, a hierarchy; and the table.

Everything else (time limits, servers ended by pid, what a failed test shows) is the harness of
tests/integration. The table goes to the terminal and, as JSON, to build/faults.json.
"""

import importlib.util
import json
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
INTEGRATION = os.path.join(ROOT, "tests", "integration")
sys.path[:0] = [HERE, INTEGRATION, os.path.join(ROOT, "bench", "checker")]


def _harness():
    """tests/integration/conftest.py, under a name of its own as this file has the usual one."""
    spec = importlib.util.spec_from_file_location(
        "integration_harness", os.path.join(INTEGRATION, "conftest.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return spec.name


pytest_plugins = [_harness()]

# pylint: disable=wrong-import-position
import cluster  # noqa: E402
import hierarchy as tiers  # noqa: E402
import network as networks  # noqa: E402

ROWS = []
LIMIT = (300 if tiers.long_runs() else 120) + float(os.environ.get("SOAK_SECONDS", "0"))  # seconds for a test


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.timeout(LIMIT))


@pytest.fixture(scope="session")
def session_brokers():
    """On an address that the network namespace can reach, where there is one."""
    made_network = networks.Network() if networks.available() else None
    try:
        made = cluster.ThreeBrokers(made_network.outside if made_network else "127.0.0.1")
        made.network = made_network
        yield made
        made.stop()
    finally:
        if made_network:
            made_network.stop()


@pytest.fixture
def brokers(session_brokers):
    yield session_brokers
    session_brokers.make_whole()


@pytest.fixture
def network(brokers):
    """The stub's own network, whole again after the test."""
    if not brokers.network:
        pytest.skip("a network namespace takes root")
    yield brokers.network
    brokers.network.mend()


@pytest.fixture
def topic(brokers):
    made = brokers.topic()
    yield made
    brokers.make_whole()
    made.delete()
    brokers.close_clients()  # the producer would go on asking for this topic


@pytest.fixture
def hierarchy(topic):
    """hierarchy(...) -> Hierarchy on the test's topic. Ended and judged after the test."""
    made = []

    def make(**options):
        made.append(tiers.Hierarchy(topic, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def row(capsys):
    """row(fault, run, noticed=..., live=...) puts a run into the table, and prints it."""
    def note(fault, run, noticed=None, live=None):
        ROWS.append(_row(fault, run, noticed or {}, live or {}))
        with capsys.disabled():
            print("\n  " + _line(ROWS[-1]))
    return note


def _row(fault, run, noticed, live):
    record, charges = {"fault": fault, "tiers": {}}, run.charges()
    for name in tiers.TIERS:
        tier = run.tier(name)
        record["tiers"][name] = {
            "noticed_s": _rounded(noticed.get(name)),
            "live_again_s": _rounded(live.get(name) if noticed.get(name, 0) is not None else None),
            "answers": tier["answered"], "unanswered": tier["lost"] + tier["failed"],
            "violations": charges.get(name, {}), "excused": tier["excused"],
            "longest_stale_s": _rounded(tier["age_ms"]["max"] / 1000)}
    record["log"] = run.result["log"]
    record["states"] = {name: [[round(at - states.changes[0][0], 2), state, reason]
                               for at, state, reason in states.changes]
                        for name, states in run.states.items()}
    record["marks"], record["traces"] = run.checker.marks, run.checker.violations
    return record


def _rounded(seconds):
    return None if seconds is None else round(seconds, 2)


def _seconds(number):
    return "-" if number is None else f"{number:.1f} s"


def _line(record):
    parts = [record["fault"] + ":"]
    for name, tier in record["tiers"].items():
        parts.append(f"{name}: noticed {_seconds(tier['noticed_s'])}, live again "
                     f"{_seconds(tier['live_again_s'])}, answers {tier['answers']} (unanswered "
                     f"{tier['unanswered']}), violations={sum(tier['violations'].values())}, "
                     f"longest stale {_seconds(tier['longest_stale_s'])};")
    return " ".join(parts)


COLUMNS = ("fault", "tier", "not live after", "live again after", "answers", "unanswered",
           "violations", "longest stale")


def table():
    """The rows as Markdown."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---|---|" + "---:|" * (len(COLUMNS) - 2)]
    for record in ROWS:
        for number, (name, tier) in enumerate(record["tiers"].items()):
            violations = ", ".join(f"{n} {kind}" for kind, n in tier["violations"].items()) or "0"
            lines.append("| " + " | ".join((
                "" if number else record["fault"], name, _seconds(tier["noticed_s"]),
                _seconds(tier["live_again_s"]), str(tier["answers"]), str(tier["unanswered"]),
                violations, _seconds(tier["longest_stale_s"]))) + " |")
    return lines


def pytest_terminal_summary(terminalreporter):
    if not ROWS:
        return
    path = os.path.join(ROOT, "build", "faults.json")
    with open(path, "w", encoding="ascii") as file:
        json.dump({"columns": COLUMNS, "rows": ROWS}, file, indent=1)
    terminalreporter.write_line("")
    for line in table():
        terminalreporter.write_line(line)
    terminalreporter.write_line("")
