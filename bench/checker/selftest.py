"""Does the checker find what it is there to find? Small caches, each with one fault of its own; see fakes.py.

    python3 bench/checker/selftest.py [TRIAL...]

The checker must report the kind of violation that the fault is, and no other; of a sound cache nothing, however
odd the world. Uses the embedded broker, as nothing here is about speed, and a real one for transactions.
"""

import contextlib
import os
import sys
import typing

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import checking  # noqa: E402
import fakes  # noqa: E402
import freshet  # noqa: E402
import kafka_cluster  # noqa: E402
import process  # noqa: E402

SECONDS = 4
LOAD = {"seconds": SECONDS, "names": 40, "changes": 20, "queries": 400, "drain": 1200, "ttl": 5,
        "mix": "set=50,flush=20,swap=20,del=10"}
ODD = {"inner": 3, "outer": 0.2, "mix": "set=40,flush=20,swap=10,del=10,cut=10,subtree=5,uncut=5",
       "publishers": "plain,bare,crc32,dotless,upper,keyless,ahead,behind,far,astray,restarting,repeating"}
HANGING = {"publishers": "plain,hanging", "hang": 2500, "hang_rest": 300, "seconds": 6}


class Trial(typing.NamedTuple):
    """A cache of fakes.py, what the checker must find, what it may find beside, and its circumstances."""

    fault: str
    wanted: set = frozenset()
    options: dict = {}      # the checker's
    limits: dict = {}       # the tier's
    permitted: set = frozenset()
    above: str = ""         # a parent, or a forwarder, with this fault
    real: bool = False      # needs a real broker


def odd(fault, *kinds, permitted=(), **options):
    return Trial(fault, {*kinds}, {**ODD, **options}, permitted=frozenset(permitted))


TRIALS = {
    "none": Trial("none"),
    "early": Trial("early", {"P1"}),
    "behind": Trial("none", {"P3"}, above="slow"),
    "lagging": Trial("none", {"P4"}, {"authority_lag": 1500, "seconds": 6}),
    "deaf": Trial("deaf", {"bound"}, limits={"bound_ms": 500}),
    "stubborn": Trial("deaf", {"P5"}, {"ttl": 1, "lease": 100}, {"bound_ms": 60000}),
    "generous": Trial("none", {"P7"}, limits={"ttl": 4}),
    "back": Trial("back", {"regression"}),
    "wrong": Trial("wrong", {"wrong"}),
    "mixed": Trial("mixed", {"mixed"}),
    "odd": odd("none"),
    "misplaced": odd("misplaced", "P1"),
    "shallow": odd("shallow", "P1"),
    "cut": odd("cut", "P1"),
    "restarted": Trial("restarted", {"P1"}, {"publishers": "plain,restarting"}),
    "dated": Trial("dated", {"P1"}, {"publishers": "plain,far"}),
    "late": Trial("late", {"P1"}, {"publishers": "plain,repeating"}, permitted={"regression"}),
    "narrow": Trial("narrow", {"P3"}, ODD, above="slow"),
    "careful": Trial("careful", options=ODD, above="slow"),
    "sticky": Trial("none", {"P4"}, {"ttl": 2, "forwarder": 2}, above="forwarder"),
    "second-hand": Trial("second-hand", options={"ttl": 2, "forwarder": 2}, above="forwarder"),
    "uncommitted": Trial("uncommitted", {"aborted"}, {"publishers": "plain,transactional", "abort": 0.5},
                         permitted={"P1", "regression"}, real=True),
    "committed": Trial("none", options={"publishers": "plain,transactional", "abort": 0.5}, real=True),
    "hung": Trial("none", {"bound"}, HANGING, {"bound_ms": 1500}, real=True),
    "honest": Trial("honest", options=HANGING, limits={"bound_ms": 1500}, real=True),
}


def find(trial, topic):
    """The kinds of violations that the checker finds, by tier, the faulty one last."""
    with contextlib.ExitStack() as stack:
        port = process.free_port()

        def start(upstream, fault, **options):
            cache = fakes.Cache(upstream, topic, fault, **options)
            stack.callback(cache.stop)
            return cache

        tiers = []
        upstream = ("127.0.0.1", port)
        options = {**LOAD, **trial.options}
        if trial.above == "forwarder":
            upstream = start(upstream, "forwarder", lives=options["ttl"]).address
        elif trial.above:
            upstream = start(upstream, trial.above)
            tiers.append(checking.tier("parent", upstream))
        cache = start(upstream, trial.fault)
        tiers.append(checking.tier("faulty", cache, parent="parent" if tiers else "",
                                   **{"ttl": 5, **trial.limits}))
        with checking.Checker(topic, port, tiers, **options) as run:
            result = run.wait(60)
    return [set(tier["violations"]) for tier in result["tiers"]]


def main():
    os.chdir(process.ROOT)
    wanted, failed = sys.argv[1:] or list(TRIALS), 0
    with contextlib.ExitStack() as stack:
        topics = {}

        def topic(real):
            if real not in topics:
                broker = (kafka_cluster.KafkaBroker() if real
                          else kafka_cluster.EmbeddedBroker(freshet.build_directory()))
                stack.callback(broker.stop)
                topics[real] = broker.topic()
            return topics[real]

        for name in wanted:
            trial = TRIALS[name]
            *above, found = find(trial, topic(trial.real))
            good = trial.wanted <= found <= trial.wanted | trial.permitted and not any(above)
            failed += not good
            print(f"{'ok  ' if good else 'FAIL'}  {name:12} {', '.join(sorted(found)) or '-'}"
                  f"{'' if good else f'  wanted {trial.wanted}; above: {above}'}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
