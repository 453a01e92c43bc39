"""The figures as text and as CSV. Page and terminal have the same rows."""

import csv

import figures
from table import grid, multiple, time, without_empty_columns

BARS = {"p50": 1.3, "p99": 1.5}  # of publish to visible, against the plain consumer
OWN_BAR_US = 300                 # p99 of freshet's own share
PLAIN_BAR = 2                    # of UPDATE to visible, p50, against what Kafka takes by itself
OURS = ("freshet", "freshet-origin")
NOTIFIED = ("Unbound auth-zone", "BIND secondary", "PowerDNS Recursor")


def worst(record, key="new"):
    """The tier that is latest at the median, and its summary."""
    return max(((name, tier["summary"][key]) for name, tier in record["tiers"].items()),
               key=lambda item: item[1]["p50"] if item[1]["p50"] is not None else 1e18)


def latency_rows(records):
    header = ["publish to first new answer", "tier", "p50", "p90", "p99", "p99.9", "max", "changes"]
    rows = [header]
    for record in records:
        for name, tier in record["tiers"].items():
            row = tier["summary"]["new"]
            rows.append([record["title"], name, *[time(row[key]) for key in
                                                  ("p50", "p90", "p99", "p99.9", "max")],
                         str(row["count"])])
    return rows


def stage_rows(record):
    """The way of a change through one mode."""
    rows = [[record["title"], "p50", "p90", "p99", "max"]]

    def add(what, row):
        if row and row.get("count"):
            rows.append([what, *[time(row[key]) for key in ("p50", "p90", "p99", "max")]])

    add("publish to acknowledged", record["common_summary"]["acked"])
    add("publish to readable (plain consumer)", record["common_summary"]["read"])
    add("produced to consumed, past freshet (plain consumer)", record["common_summary"].get("plain"))
    for name, tier in record["tiers"].items():
        add(f"{name}: publish to applied (freshet's clock)", tier["summary"].get("applied"))
        add(f"{name}: publish to first new answer", tier["summary"]["new"])
        add(f"{name}: publish to last old answer", tier["summary"]["old"])
        add(f"{name}: readable to first new answer", tier["summary"].get("read_to_new"))
        add(f"{name}: handed to freshetd to first new answer (own share)",
            tier["summary"].get("own"))
    first = next(iter(record["tiers"].values()))
    add("handed to freshetd to applied (freshet's clock)", first["summary"].get("apply"))
    if len(rows) > 1:
        latency = record["counts"]["tiers"][0]["latency"]
        rows.append(["any query's way there and back", *[time(latency[key]) for key in
                                                         ("p50", "p90", "p99")], "-"])
    return rows


def ratios(record):
    """Publish to visible against the plain consumer, over the same changes: rows of tier, quantile,
    ratio, bar, met. One change that Kafka delays is then among both or among neither."""
    rows = []
    for name, tier in record["tiers"].items():
        new, read = tier["summary"]["new"], tier["summary"].get("read", {})
        for key, bar in BARS.items():
            if read.get(key) and new.get(key):
                ratio = new[key] / read[key]
                rows.append((name, key, ratio, bar, ratio <= bar))
    return rows


def missed(record):
    """The word for it, and how long any query took: on a slow or busy machine that is the most of it."""
    latency = record["counts"]["tiers"][0]["latency"]
    return f"MISSED (any query's way: {time(latency['p99'])})"


def origin_bars(record, records):
    """A zone that comes by UPDATE, or from a primary: rows of what, tier, measured, bar, met."""
    rows = []
    name, mine = worst(record)
    plain = record["common_summary"].get("plain", {})
    if plain.get("count"):
        ratio = mine["p50"] / plain["p50"]
        rows.append([f"{record['title']}: UPDATE to visible / produced to consumed, p50", name, f"{ratio:.2f} x",
                     f"{PLAIN_BAR} x", "met" if ratio <= PLAIN_BAR else "MISSED"])
    for other in records:
        if other["family"] in NOTIFIED:
            lost = beaten(record, other)
            rows.append([f"{record['title']}: later than {other['title']} at", name, _span(lost), "no quantile",
                         "MISSED" if lost else "met"])
    return rows


def bar_rows(records):
    rows = [["what was promised", "tier", "measured", "at most", ""]]
    for record in records:
        if record["family"] == "freshet-origin":
            rows += origin_bars(record, records)
        if record["family"] != "freshet":
            continue
        for name, key, ratio, bar, met in ratios(record):
            rows.append([f"{record['title']}: publish to visible / plain consumer, {key}", name,
                         f"{ratio:.2f} x", f"{bar} x", "met" if met else "MISSED"])
        for name, tier in record["tiers"].items():
            for what, key in (("handed to freshetd to visible", "own"),
                              ("of it until applied", "apply")):
                row = tier["summary"].get(key, {})
                if row.get("count"):
                    rows.append([f"{record['title']}: {what}, p99", name, time(row["p99"]),
                                 time(OWN_BAR_US),
                                 "met" if row["p99"] <= OWN_BAR_US else missed(record)])
    return rows


def beaten(push, other, key="new"):
    """Quantiles (in %) at which the other's best tier is earlier than push's worst tier."""
    lost = []
    for percent in range(1, 100):
        mine = [figures.quantile(tier["samples"]["new"], percent / 100)
                for tier in push["tiers"].values()]
        theirs = [figures.quantile(tier["samples"][key], percent / 100)
                  for tier in other["tiers"].values()]
        theirs = [value for value in theirs if value is not None]
        if theirs and (None in mine or min(theirs) < max(mine)):
            lost.append(percent)
    return lost


def _span(percents):
    """[1, 2, 3, 99] -> "p1 to p3, p99"."""
    spans = []
    for percent in percents:
        if spans and spans[-1][1] == percent - 1:
            spans[-1][1] = percent
        else:
            spans.append([percent, percent])
    return ", ".join(f"p{first}" if first == last else f"p{first} to p{last}"
                     for first, last in spans) or "no quantile"


def _multiples(theirs, mine):
    return [multiple(theirs[key] / mine[key]) if theirs.get(key) and mine.get(key) else "later"
            for key in ("p50", "p99")]


def comparisons(records):
    """A table for each of our ways."""
    return [comparison_rows(record, records) for record in records
            if record["key"] == "push" or record["family"] == "freshet-origin"]


def comparison_rows(push, records):
    """Each other way against one of ours: its median and p99 in ours, and where it is earlier."""
    mine = worst(push)[1]
    rows = [[f"against {push['title']} (its slowest tier)", "p50", "p99", "earlier than that at",
             "not counting the primary: p50", "p99", "earlier at"]]
    for record in records:
        if record["family"] in OURS:
            continue
        name, theirs = worst(record)
        row = [record["title"], *_multiples(theirs, mine), _span(beaten(push, record))]
        if record.get("primary"):
            row += [*_multiples(record["tiers"][name]["summary"]["acked_to_new"], mine),
                    _span(beaten(push, record, "acked_to_new"))]
        rows.append(row + [""] * (7 - len(row)))
    return without_empty_columns(rows)


def verdict(records):
    """What all of it comes to, as sentences: freshet's own figures, the next best way's, and a TTL's."""
    push = next((record for record in records if record["key"] == "push"), None)
    if not push:
        return []
    name, mine = worst(push)
    others = [(record, worst(record)[1]) for record in records if record["family"] not in OURS]
    said = [f"With freshet half of all changes are at the last of {len(push['tiers'])} tiers ({name}) after {time(mine['p50'])}, "
            f"99 of 100 after {time(mine['p99'])}; Kafka alone takes {time(push['common_summary']['read']['p50'])} and "
            f"{time(push['common_summary']['read']['p99'])}."]
    told = [(record, row) for record, row in others if record["family"] != "TTL" and row["p50"] is not None]
    if told:
        record, row = min(told, key=lambda one: one[1]["p50"])
        said.append(f"The next best of the other ways is \"{record['title']}\": {time(row['p50'])} and {time(row['p99'])}"
                    f"{'' if row['p99'] is not None else ' than was waited for'}.")
    ttl = next(((record, row) for record, row in others if record["family"] == "TTL" and not record.get("computed")), None)
    if ttl:
        record, row = ttl
        said.append(f"A TTL of {record['ttl']} s, with nobody told, takes {time(row['p50'])} and {time(row['p99'])}, "
                    f"{multiple(row['p50'] / mine['p50'])} as long at the median.")
    earlier = [record["title"] for record, _ in others if beaten(push, record)]
    said.append(f"Earlier than freshet at some quantile: {', '.join(earlier)}." if earlier else
                "None of the other ways is earlier at any quantile.")
    return said


def price_of(record):
    """Measured; or for a TTL that was not waited for, computed."""
    if record.get("price"):
        return record["price"]
    if record["family"] == "TTL":
        options = record["options"]
        upstream = figures.ttl_price(options["names"], options["clients"], record["ttl"])
        return {"upstream_per_1000": upstream, "hit_ratio": 1 - upstream / 1000, "computed": True}
    return None


def price_rows(records):
    rows = [["price", "upstream queries per 1,000", "hit ratio", "cache CPU per query",
             "all else's CPU per query", "bytes per change"]]
    for record in records:
        price = price_of(record)
        if not price:
            continue
        cpu = price.get("cpu_us_per_query") or {}
        others = ("Kafka", "Knot", "primary", "freshet-origin", "script")
        caches = [name for name in cpu if name not in others]
        rest = [name for name in cpu if name in others]
        count = price.get("bytes_per_change")
        rows.append([record["title"] + (" (computed)" if price.get("computed") and
                                        "computed" not in record["title"] else ""),
                     f"{price['upstream_per_1000']:.3g}", f"{100 * price['hit_ratio']:.2f} %",
                     f"{sum(cpu[name] for name in caches):.1f} us" if caches else "-",
                     ", ".join(f"{name} {cpu[name]:.1f} us" for name in rest) or "-",
                     f"{count:.0f}" if count is not None else "-"])
    return without_empty_columns(rows)


def text(records):
    parts = [latency_rows(records)]
    said = "\n".join(f"  {sentence}" for sentence in verdict(records))
    parts += [stage_rows(record) for record in records if record["family"] in OURS]
    parts += [bar_rows(records), *comparisons(records), price_rows(records)]
    return "\n" + "\n\n".join([grid(rows) for rows in parts if len(rows) > 1] + [said])


def write_csv(records, path):
    """A line for each change and tier: microseconds from the call that publishes."""
    with open(path, "w", encoding="ascii", newline="") as file:
        out = csv.writer(file)
        out.writerow(["way", "tier", "what", "us"])
        for record in records:
            if record.get("computed"):
                continue
            for what, values in record["common"].items():
                out.writerows((record["key"], "", what, value) for value in values)
            for name, tier in record["tiers"].items():
                for what, values in tier["samples"].items():
                    out.writerows((record["key"], name, what, value) for value in values)
