"""From what the probe saw to figures: samples, quantiles, and what is computed and not waited for.

Times are microseconds from the call that publishes. A change that a tier did not show within the
horizon counts as "later than that": it stays in the sample, at the end of it (None).
"""

import math

QUANTILES = (0.5, 0.9, 0.99, 0.999)
NAMES = {0.5: "p50", 0.9: "p90", 0.99: "p99", 0.999: "p99.9"}


def quantile(values, share):
    """The smallest value that `share` of all do not exceed; None: later than was looked for."""
    if not values:
        return None
    ordered = sorted(values, key=lambda value: math.inf if value is None else value)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summary(values):
    """Counts, quantiles and the maximum, for a table."""
    if not values:
        return {"count": 0}
    row = {"count": len(values), "missing": sum(value is None for value in values)}
    for share in QUANTILES:
        row[NAMES[share]] = quantile(values, share)
    row["max"] = quantile(values, 1)
    return row


def was_held(item):
    """Whether the tier had the old answer when the change was published, as far as was seen.
    Of a name that it does not hold, a cache has nothing to be told."""
    return item["old"] is not None or item["new"] is None


def _differences(pairs):
    return [late - early for late, early in pairs if late is not None and early is not None]


def tier_samples(changes, place, inside):
    """All that is said of one tier. `inside` is where its process stands among those asked."""
    changes = [change for change in changes if change["tiers"][place]["asked"]]
    seen = [change["tiers"][place] for change in changes]
    samples = {"new": [item["new"] for item in seen if was_held(item)],
               "read": [change["read"] for item, change in zip(seen, changes)
                        if was_held(item) and change["read"] is not None],
               "old": [item["old"] for item in seen if item["old"] is not None],
               "read_to_new": _differences(
                   (item["new"], change["read"]) for item, change in zip(seen, changes)),
               "acked_to_new": _differences(
                   (item["new"], change["acked"]) for item, change in zip(seen, changes)),
               "old_after_new": [item["old"] - item["new"] for item in seen
                                 if item["old"] and item["new"] and item["old"] > item["new"]],
               "said_applied": [item["applied"] for item in seen if item["applied"] is not None]}
    if inside is not None:
        # The cache's own share ends when its answer is there: when the client is woken is not its part.
        told = [(change["inside"][inside], item["arrived"]) for change, item in zip(changes, seen)
                if change["inside"][inside]]
        samples["applied"] = [inner["applied"] for inner, _ in told]
        samples["apply"] = [inner["took"] for inner, _ in told]
        samples["own"] = [arrived - inner["applied"] + inner["took"] for inner, arrived in told
                          if arrived is not None]
    return samples


def common_samples(changes):
    return {"acked": [change["acked"] for change in changes],
            "read": [change["read"] for change in changes if change["read"] is not None],
            "plain": [change["plain"] for change in changes if change["plain"] is not None]}


def scaled(record, ttl):
    """What a longer TTL does: the measured times of a short one, stretched. No time is waited."""
    factor = ttl / record["ttl"]
    tiers = {name: {**tier, "samples": {
        "new": [None if value is None else value * factor for value in tier["samples"]["new"]]}}
             for name, tier in record["tiers"].items()}
    for tier in tiers.values():
        tier["summary"] = {"new": summary(tier["samples"]["new"])}
    return {**record, "key": f"ttl-{ttl}", "title": f"TTL {ttl} s (computed)", "ttl": ttl,
            "computed": f"the times measured with TTL {record['ttl']} s, x {factor:g}",
            "about": f"Not waited for: the times measured with TTL {record['ttl']} s, "
                     f"multiplied by {factor:g}.",
            "tiers": tiers, "price": None}


def zipf_rates(names, rate, exponent=1.0):
    weights = [(rank + 1) ** -exponent for rank in range(names)]
    return [rate * weight / sum(weights) for weight in weights]


def ttl_price(names, rate, ttl):
    """Upstream queries per 1,000 of a plain cache: a name is fetched, then held for its TTL;
    questions come at random (Poisson), names by Zipf's law: 1 / (1 + rate x TTL) of them miss."""
    rates = zipf_rates(names, rate)
    return 1000 * sum(r / (1 + r * ttl) for r in rates) / sum(rates)
