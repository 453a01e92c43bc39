"""The checker's figures as text for a terminal. Percentages and nines are computed here alone."""

import math

from table import grid

CONTINUED = {"P1": "answered what it had evicted", "P3": "re-imported it from a lagging parent",
             "P4": "kept what a lagging authority said", "P5": "outlived its TTL, feed or not",
             "P7": "TTL above the limit", "regression": "went back to an older version",
             "bound": "stale beyond the tier's bound", "wrong": "no version of this name",
             "aborted": "from a transaction that was aborted", "mixed": "two versions in one answer"}


def nines(bad, total):
    """0.9999 is 4.0. With none bad, a lower bound: what one bad among them would make."""
    if total == 0:
        return "-"
    if bad == 0:
        return f">{math.log10(total):.1f}"
    return f"{-math.log10(bad / total):.1f}" if bad < total else "0.0"


def percent(bad, total):
    """Of what was good; as many digits as the sample has."""
    if total == 0:
        return "-"
    digits = max(2, min(5, int(math.log10(total)) - 1))
    share = 100 * (total - bad) / total
    text = f"{share:.{digits}f}"
    # Never rounded up to all.
    return f"{share - 10 ** -digits:.{digits}f}" if bad and float(text) == 100 else text


def milliseconds(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"


def age(ms):
    return f"{ms / 1000:g} s" if ms >= 1000 else f"{ms:g} ms"


def violations(tier):
    """Of a tier of a result."""
    return sum(tier["violations"].values())


def broken(record):
    """Whether a freshet tier on the feed violated anything."""
    return any(tier["watched"] and violations(tier) for tier in record["result"]["tiers"])


def second(tier):
    """A tier in a progress line."""
    told = sum(tier["violations"].values())
    state = f", {tier['state']}" if tier["state"] not in (None, "live") else ""
    return (f"{tier['name']}: {tier['answered']}/s, {tier['older'][1]} stale"
            f"{f', {told} violations' if told else ''}{state}")


def _consistency(record):
    ages = record["ready"]["ages_ms"]
    rows = [["consistent within", *[age(ms) for ms in ages]]]
    for tier in record["result"]["tiers"]:
        name, answered = tier["name"], tier["stream"]
        rows.append([f"{name}: of {answered} steady answers, %",
                     *[percent(bad, answered) for bad in tier["older"]]])
        rows.append(["   nines", *[nines(bad, answered) for bad in tier["older"]]])
        if any(probe["answered"] for probe in tier["probes"]):
            rows.append([f"{name}: of the changes, asked then, %",
                         *[percent(p["old"], p["answered"]) for p in tier["probes"]]])
            rows.append(["   nines", *[nines(p["old"], p["answered"]) for p in tier["probes"]]])
            rows.append(["   probes", *[str(p["answered"]) for p in tier["probes"]]])
    return grid(rows)


def _staleness(record):
    keys = ["p50", "p90", "p99", "p999", "max"]
    rows = [["milliseconds", *keys]]

    def add(what, figures):
        if figures and figures["count"]:
            rows.append([what, *[milliseconds(figures[key]) for key in keys]])

    result = record["result"]
    add("publish to readable in Kafka", result["readable_ms"])
    for tier in result["tiers"]:
        add(f"{tier['name']}: readable to applied, as polled", tier["applied_ms"])
        add(f"{tier['name']}: age of {tier['stale']} stale answers", tier["age_ms"])
        add(f"{tier['name']}: latency", tier["latency_ms"])
    add("the checker's own lateness", result["checker_late_ms"])
    return grid(rows)


def _counts(tier):
    sweep = tier["sweep"]
    return (f"  {tier['name']}: {tier['asked']} asked, {tier['answered']} answered, "
            f"{tier['lost']} lost, {tier['failed']} failed; at the end {sweep['old']} of "
            f"{sweep['asked']} names old")


def _violations(tier):
    if not violations(tier):
        extra = f", {tier['excused']} permitted exceptions" if tier["excused"] else ""
        return f"  {tier['name']}: no violations{extra}"
    return "\n".join(f"  {tier['name']}: {count} x {kind}  {CONTINUED[kind]}"
                     for kind, count in tier["violations"].items())


def figures(record):
    """What a scenario measured by itself: a row for each thing measured."""
    rows = record.get("figures") or {}
    if not rows:
        return ""
    columns = list(next(iter(rows.values())))
    return "\n" + grid([["", *[key.replace("_", " ") for key in columns]],
                        *[[name, *[f"{row[key]:.4f}" for key in columns]] for name, row in rows.items()]])


def result(record):
    """One run."""
    tiers = record["result"]["tiers"]
    changes = ", ".join(f"{count} {kind}"
                        for kind, count in record["result"]["changes"].items() if count)
    return "\n".join([
        f"  changes: {changes}; authority asked {record['result']['authority']['queries']} times",
        *[_counts(tier) for tier in tiers], "", _consistency(record), "", _staleness(record), "",
        *[_violations(tier) for tier in tiers], figures(record)])


def comparison_rows(records):
    """One row per tier of each run: a header first."""
    rows = [["", "steady answers", "within 5 ms %", "nines", "changes at 5 ms %", "at 1 s %",
             "stale > 1 s", "oldest", "authority/s", "violations"]]
    for record in records:
        for tier in record["result"]["tiers"]:
            probes, total = tier["probes"], tier["stream"]
            told = ", ".join(f"{n} {kind}" for kind, n in tier["violations"].items()) or "0"
            asked = record["result"]["authority"]["queries"] / record["result"]["seconds"]
            rows.append([
                f"{record['scenario']}: {tier['name']}", str(total),
                percent(tier["older"][1], total), nines(tier["older"][1], total),
                percent(probes[1]["old"], probes[1]["answered"]),
                percent(probes[3]["old"], probes[3]["answered"]), str(tier["older"][3]),
                f"{milliseconds(tier['age_ms']['max'])} ms", f"{asked:.0f}", told])
    return rows


def comparison(records):
    return "\n" + grid(comparison_rows(records), indent="")
