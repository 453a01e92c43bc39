"""From single measurements to figures: medians over rounds, ratios, and what is to be reached."""

import statistics

import peers
import usage

CASES = {
    "uniform": "hits, uniform",
    "zipf": "hits, Zipf",
    "misses": "misses",
    "mix": "95 % hits, 5 % misses",
    "tcp": "hits over TCP",
}
NAMES = ["echo", "freshet", *peers.FORWARDERS]
QUANTILES = ("p50", "p99", "p999")
USER_FIELDS = ("user", "nice")
KERNEL_FIELDS = ("system", "irq", "softirq")
SERVER_CORE, OTHER_CORE = "0", "1"
DISTURBED = 0.05  # of a run's time, somebody else on the server's core


def of(records, **wanted):
    return [record for record in records
            if all(record.get(key) == value for key, value in wanted.items())]


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def ratio(a, b):
    return a / b if a is not None and b else None


# --- of one measurement, as load printed it


def answered(load):
    return load["good"] + load["bad"]


def cpu_us(load):
    """The server's processor time per query."""
    return load["cpu"]["server_s"] / answered(load) * 1e6 if answered(load) else None


def authority_share(load):
    """Of the time, for how much the authority ran."""
    return load["cpu"]["others_s"].get("authority", 0) / load["seconds"]


def server_core(load):
    return load["cpu"]["server_s"] / load["seconds"]


def other_core(load):
    """Generator and authority. Ticks would count the end of a run, which has nothing to do."""
    return 1 - load["idle"] + authority_share(load)


def core_ticks(loads, fields):
    return sum(load["cpu"]["ticks"][SERVER_CORE][field] for load in loads for field in fields)


def others_on_core(load):
    """The share of a run in which somebody else ran on the server's core."""
    busy = core_ticks([load], USER_FIELDS + KERNEL_FIELDS) / usage.TICK
    return max(0.0, busy - load["cpu"]["server_s"]) / load["seconds"]


# --- of all rounds


def user_share(loads):
    """Of the ticks of all rounds together: a round has few of them."""
    busy = core_ticks(loads, USER_FIELDS + KERNEL_FIELDS)
    return core_ticks(loads, USER_FIELDS) / busy if busy else None


def lost_share(loads):
    """Of all queries of all rounds: neither good nor bad."""
    asked = sum(load["asked"] for load in loads)
    return sum(load["lost"] + load["unsent"] for load in loads) / asked if asked else None


def quantiles(loads, prefix=""):
    """By slices of a tenth of a second, and of whole runs, in which a stop of the machine shows."""
    row = {}
    for quantile in QUANTILES:
        row[prefix + quantile] = median(load["slice_us"][quantile] for load in loads)
        row[f"{prefix}{quantile}_whole"] = median(load["latency_us"][quantile] for load in loads)
    return row


def summarize_half(half):
    return {
        "half_lost": lost_share(half),
        "half_bad": sum(load["bad"] for load in half),
        "half_rate": median(load["rate"] for load in half),
        "half_late_p99": median(load["late_us"]["p99"] for load in half),
        **quantiles(half),
    }


def summarize_same(same):
    return {"same_rate": median(load["rate"] for load in same), "same_lost": lost_share(same),
            **quantiles(same, "same_")}


def summarize(peak, half, same):
    """One server in one case: `peak`, `half` and `same` are the loads of its rounds."""
    cpu, user = median(map(cpu_us, peak)), user_share(peak)
    known = cpu is not None and user is not None
    return {
        "rounds": len(peak),
        "qps": median(load["qps"] for load in peak),
        "qps_all": [load["qps"] for load in peak],
        "cpu_us": cpu,
        "user_us": cpu * user if known else None,
        "system_us": cpu * (1 - user) if known else None,
        "lost": lost_share(peak),
        "bad": sum(load["bad"] for load in peak),
        "reconnects": sum(load["reconnects"] for load in peak),
        "generator_idle": median(load["idle"] for load in peak),
        "authority_share": median(map(authority_share, peak)),
        "server_core": median(map(server_core, peak)),
        "other_core": median(map(other_core, peak)),
        "others_on_core": median(map(others_on_core, peak)),
        **(summarize_half(half) if half else {}),
        **(summarize_same(same) if same else {}),
    }


def add_ratios(rows):
    echo, unbound = rows.get("echo", {}), rows.get("unbound", {})
    for row in rows.values():
        row["to_echo"] = ratio(row["qps"], echo.get("qps"))
        row["cpu_to_echo"] = ratio(row["cpu_us"], echo.get("cpu_us"))
        row["to_unbound"] = ratio(row["qps"], unbound.get("qps"))


def summary(records):
    """case -> server -> row."""
    table = {}
    for case in CASES:
        rows = {}
        for name in NAMES:
            peak, half, same = ([record["load"] for record in
                                 of(records, case=case, server=name, kind=kind)]
                                for kind in ("peak", "half", "same"))
            if peak:
                rows[name] = summarize(peak, half, same)
        if rows:
            add_ratios(rows)
            table[case] = rows
    return table


# --- freshet alone


def summarize_pairs(pairs):
    """Of one server at one rate: without and with changes."""
    row = {"rounds": len(pairs), "rate": median(pair["without"]["rate"] for pair in pairs)}
    for side in ("without", "with"):
        loads = [pair[side] for pair in pairs]
        row.update(quantiles(loads, side + "_"))
        row[f"{side}_late_p99"] = median(load["late_us"]["p99"] for load in loads)
        row[f"{side}_lost"] = lost_share(loads)
        row[f"{side}_other_core"] = median(load["cpu"]["busy"][OTHER_CORE] for load in loads)
        row[f"{side}_others_on_core"] = median(map(others_on_core, loads))
        row[f"{side}_server_core"] = median(load["cpu"]["busy"][SERVER_CORE] for load in loads)
    row["p99_ratio"] = ratio(row["with_p99"], row["without_p99"])
    counted = [pair for pair in pairs if pair["counted"]]
    for key in ("hits", "invalid", "applied"):
        row[key] = sum(pair["counted"][key] for pair in counted)
    row["applied_rate"] = median(pair["applied_rate"] for pair in counted)
    row["false_share"] = ratio(row["invalid"], row["hits"])
    return row


def summarize_changes(records):
    """A row for each server and share of freshet's most."""
    found = of(records, case="changes", kind="pair")
    rows = []
    for server in ("echo", "freshet"):
        for share in sorted({record["share"] for record in found}):
            pairs = of(found, server=server, share=share)
            if pairs:
                rows.append({"server": server, "share": share, **summarize_pairs(pairs)})
    return rows


def summarize_workers(records):
    """workers -> figures, and what a second worker brings.

    The generator runs on the same cores. Leaving its part out: what the workers' own time per query
    allows when each has a core to itself, the second one's contention included.
    """
    rows = {}
    for workers in (1, 2):
        loads = [record["load"] for record in of(records, case="workers", workers=workers)]
        if not loads:
            continue
        row = rows[workers] = {
            "rounds": len(loads),
            "qps": median(load["qps"] for load in loads),
            "cpu_us": median(map(cpu_us, loads)),
            "server_cores": median(map(server_core, loads)),
            "generator_cores": median((load["user_s"] + load["system_s"]) / load["seconds"]
                                      for load in loads),
            "lost": lost_share(loads),
        }
        row["capacity"] = ratio(workers * 1e6, row["cpu_us"])
    if len(rows) == 2:
        rows[2]["to_one"] = ratio(rows[2]["capacity"], rows[1]["capacity"])
    return rows


# --- what is to be reached


def best(rows, names, key, choose=max):
    """The best of `names`, and its value."""
    values = {name: rows[name][key] for name in names
              if rows.get(name, {}).get(key) is not None}
    name = choose(values, key=values.get) if values else None
    return name, values.get(name)


def bar(text, value, limit, least):
    met = None if value is None else (value >= limit if least else value <= limit)
    return {"bar": text, "value": value, "limit": limit, "at": "least" if least else "most",
            "met": met}


def same_rate_bars(rows, what):
    """Latency where all are asked the same number of queries a second."""
    found = []
    for quantile, words in zip(QUANTILES, ("p50", "p99", "p99.9")):
        peer, least = best(rows, peers.FORWARDERS, f"same_{quantile}", min)
        own = rows.get("freshet", {}).get(f"same_{quantile}")
        found.append(bar(f"{what}: {words} at the same rate, times the best peer's ({peer})", ratio(own, least), 1.0, False))
    return found


def hit_bars(hits):
    own = hits.get("freshet", {})
    # dnsdist does not resolve: it balances load over resolvers, and has a cache of whole packets.
    resolvers = [name for name in peers.FORWARDERS if name != "dnsdist"]
    fastest, fastest_qps = best(hits, peers.FORWARDERS, "qps")
    resolver, resolver_qps = best(hits, resolvers, "qps")
    quickest, quickest_p99 = best(hits, peers.FORWARDERS, "p99", min)
    return [
        bar("hit: processor time, times echo's", own.get("cpu_to_echo"), 1.15, False),
        bar("hit: user time, us", own.get("user_us"), 0.45, False),
        bar(f"hits/s, times the best peer's ({fastest})", ratio(own.get("qps"), fastest_qps),
            1.35, True),
        bar(f"hits/s, times the best resolver's ({resolver})", ratio(own.get("qps"), resolver_qps),
            1.35, True),
        bar(f"hit p99 at half load, times the best peer's ({quickest})",
            ratio(own.get("p99"), quickest_p99), 1.0, False),
    ]


def miss_bars(misses):
    own, kresd = misses.get("freshet", {}), misses.get("knot-resolver", {})
    return [
        bar("misses/s, times Unbound's", own.get("to_unbound"), 2.0, True),
        bar("misses/s, times Knot Resolver's", ratio(own.get("qps"), kresd.get("qps")), 1.3, True),
    ]


def change_bars(changes):
    under = of(changes, server="freshet", share=0.5)
    row = under[0] if under else {}
    return [
        bar("hit p99 under 10,000 changes/s, times that without", row.get("p99_ratio"), 1.5, False),
        bar("hits invalidated for nothing by these", row.get("false_share"), 0.001, False),
    ]


def bars(table, changes):
    """Each with the value measured; None where the run had it not."""
    hits, misses = table.get("uniform", {}), table.get("misses", {})
    return (hit_bars(hits) + same_rate_bars(hits, "hit") + miss_bars(misses) + same_rate_bars(misses, "miss")
            + change_bars(changes))
