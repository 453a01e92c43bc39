#!/usr/bin/python3
"""Odd servers, odd networks and odd clients, and what freshet and others make of them.

    make bench-tolerance
    make bench-tolerance TOLERANCE_ARGS="--only 'TCP' --servers freshet,unbound"

Each case (catalogue.py) has its own servers, and a fresh process of each resolver that forwards to them; so nothing is
learnt from the case before. Resolvers are at their packages' defaults but for the port and what runs them in a
user's directory (bench/common/peers.py); nothing is validated. A client asks as the C library does (asking.py).

The table tells for each what the client was given, after how long; at its end stands where freshet is worse than the
best: a lie where others told none, no answer where another had one, or one that took twice as long and 0.5 s more.
"""

import argparse
import concurrent.futures
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "common")]

# pylint: disable=wrong-import-position
import paths  # noqa: E402,F401  pylint: disable=unused-import
import peers  # noqa: E402
import process  # noqa: E402

import asking  # noqa: E402
import catalogue  # noqa: E402
import clients  # noqa: E402,F401  pylint: disable=unused-import
import contents  # noqa: E402,F401  pylint: disable=unused-import
import messages  # noqa: E402,F401  pylint: disable=unused-import
import networks  # noqa: E402,F401  pylint: disable=unused-import
import rrsets  # noqa: E402,F401  pylint: disable=unused-import
import verdicts  # noqa: E402

SERVERS = ["freshet", "unbound", "dnsmasq", "knot-resolver", "bind"]
CACHE = 16 << 20  # bytes
TITLES = {"freshet": "freshet", **{key: program[0] for key, program in peers.PROGRAMS.items()}}


def resolver(key, ports):
    """One that forwards there, and has asked nobody yet."""
    if key == "freshet":
        return peers.Freshet(ports, size=f"{CACHE >> 20}MiB")
    return peers.forwarder(key, ports, size=CACHE, ready=asking.is_up)


class Trial:
    """A case with one resolver, from its start to its verdict."""

    def __init__(self, case, key):
        self.case, self.key, self.result = case, key, None
        self._servers = catalogue.start(case)
        ports = [server.address[1] if server else process.free_port() for server in self._servers]
        try:
            self._resolver = resolver(key, ports)
        except BaseException:
            self._stop_servers()
            raise

    def run(self):
        self.result = verdicts.judged([*self._ask()])

    def _ask(self):
        address = self._resolver.address
        if not self.case.together:
            for question in self.case.asks:
                yield asking.timed(address, question)
            return
        with concurrent.futures.ThreadPoolExecutor(len(self.case.asks)) as pool:
            yield from pool.map(lambda question: asking.timed(address, question), self.case.asks)

    def stop(self):
        """freshetd ends well whatever it was sent: that counts as an answer of its own."""
        try:
            self._resolver.stop()
        except AssertionError as failure:
            self.result = verdicts.Result(asking.FALSE, str(failure).splitlines()[0], 0.0)
        self._stop_servers()

    def _stop_servers(self):
        for server in self._servers:
            if server:
                server.failures.clear()  # odd clients' queries go through to it
                server.stop()


def batches(trials, size):
    return [trials[at:at + size] for at in range(0, len(trials), size)]


def run(cases, keys, parallel):
    """{case: {key: Result}}; processes start on the main thread, which is the one they end with."""
    results = {case: {} for case in cases}
    for batch in batches([(case, key) for case in cases for key in keys], parallel):
        trials = []
        try:
            for case, key in batch:
                trials.append(Trial(case, key))
            with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
                list(pool.map(Trial.run, trials))
        finally:
            for trial in trials:
                trial.stop()
        for trial in trials:
            results[trial.case][trial.key] = trial.result
        for case in cases:
            if len(results[case]) == len(keys) and case in {trial.case for trial in trials}:
                print(f"  {case.title}: " + ", ".join(
                    f"{key} {results[case][key].shown()}" for key in keys), flush=True)
    return results


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="cases whose group or name has this (a regular expression)")
    parser.add_argument("--servers", default=",".join(SERVERS))
    parser.add_argument("--parallel", type=int, default=30, help="resolvers at a time")
    return parser.parse_args()


def main():
    args = arguments()
    keys = args.servers.split(",")
    cases = [case for case in catalogue.CASES if re.search(args.only, case.title)]
    results = run(cases, keys, args.parallel)
    import page  # pylint: disable=import-outside-toplevel  # only here are plots drawn
    page.write(cases, keys, results, TITLES)


if __name__ == "__main__":
    main()
