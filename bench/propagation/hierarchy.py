"""A hierarchy file (freshetd's own YAML), started on free loopback ports.

    Hierarchy("config/hierarchy.yaml", topic, authority_port).start()

What a file says of addresses, brokers and topic is replaced: each listen address by a free port of
127.0.0.1, each upstream that names one of them by the same, and each other upstream by the
authority's address. There is one authority here, and it has a change before it is published:
nothing to settle. All else (tiers, their order, options) is taken as it is; without a feed, less
what would make more of a cache than its TTLs do.
"""

import copy
import os

import yaml

import freshet
import process

ZONE = "check.example."
BEYOND_TTL = ("serve_stale", "prefetch", "warm")  # of `cache`


def address_of(text):
    """"127.0.0.1:53" -> ("127.0.0.1", 53); without a port it is 53."""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, int(port[1:] or 53)
    host, _, port = text.rpartition(":") if text.count(":") == 1 else (text, "", "53")
    return host, int(port)


class Hierarchy:
    """The tiers of a file as daemons of ours.

    topic     a kafka_cluster.Topic, or None: no feed, and forward in place of parent
    split     each tier in a process of its own, with a subscription of its own
    """

    def __init__(self, path, topic, authority_port, split=False):
        with open(path, encoding="utf-8") as file:
            self.config = yaml.safe_load(file)
        self.tiers = {}
        self._topic, self._authority = topic, ("127.0.0.1", authority_port)
        self._places = {}  # what the file says -> where it is
        for tier in self.config["tiers"]:
            here = ("127.0.0.1", process.free_port())
            self._places.update({address_of(text): here for text in tier["listen"]})
            self.tiers[tier["name"]] = here
        self._split, self.daemons = split, []
        self._rewrite()
        self._start()

    def _rewrite(self):
        config = self.config
        for key in ("control", "metrics"):
            config.pop(key, None)
        feed = config.pop("feed", None)
        if feed and self._topic:
            config["feed"] = {**feed, **freshet.feed(self._topic, [ZONE]), "settle": "0s"}
        for tier in config["tiers"]:
            tier["listen"] = [freshet.address_text(self.tiers[tier["name"]])]
            tier["upstream"] = self._upstream(tier["upstream"])
            if not self._topic:
                tier.pop("subscribe", None)
                for key in BEYOND_TTL:
                    tier.get("cache", {}).pop(key, None)

    def _upstream(self, upstream):
        """A tier of the same process stays one, unless each gets its own; other words stay."""
        rewritten = {}
        for way, value in upstream.items():
            if way == "tier" and self._split:
                rewritten["parent"] = [freshet.address_text(self.tiers[value])]
                continue
            if way in ("forward", "parent"):
                places = [self._places.get(address_of(text), self._authority) for text in value]
                way = way if self._topic else "forward"
                value = list(dict.fromkeys(freshet.address_text(place) for place in places))
            rewritten[way] = value
        return rewritten

    def _start(self):
        parts = [self.config]
        if self._split:
            parts = [{**copy.deepcopy(self.config), "tiers": [tier]}
                     for tier in self.config["tiers"]]
        try:
            for part in reversed(parts):
                self.daemons.append(freshet.Freshetd({**part, "log": "info"}))
        except BaseException:
            self.close()
            raise

    def wait_live(self):
        for daemon in self.daemons if self._topic else ():
            process.eventually(lambda d=daemon: d.status()["feed"]["state"] == "live", 20)

    def daemon_of(self, tier):
        return next(daemon for daemon in self.daemons if tier in daemon.addresses)

    @property
    def pids(self):
        return [daemon.pid for daemon in self.daemons]

    def close(self):
        while self.daemons:
            self.daemons.pop().close()
