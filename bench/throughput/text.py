"""The figures as Markdown: for the terminal, and for a page."""

import report
from table import markdown, shown


def share(value):
    return "-" if value is None else "0" if value == 0 else f"{value * 100:.2g} %"


# --- servers side by side


def overview(table):
    """The most important of all cases, a line for each server."""
    header = ["server", "hits/s", "us of processor each", "of these its own code",
              "p50 us at half load", "p99", "misses/s", "5 % misses/s", "TCP hits/s"]
    hits = table.get("uniform", {})
    rows = []
    for name in hits or table.get("misses", {}):
        row = hits.get(name, {})
        others = [table.get(case, {}).get(name, {}).get("qps") for case in ("misses", "mix", "tcp")]
        if name == "echo":
            others = [None, None, None]
        rows.append([name, shown(row.get("qps")), shown(row.get("cpu_us"), "{:.2f}"),
                     shown(row.get("user_us"), "{:.2f}"), shown(row.get("p50")),
                     shown(row.get("p99")), *(shown(value) for value in others)])
    return markdown([header, *rows])


CASE_HEADER = ["server", "queries/s", "x echo", "x Unbound", "us of processor", "user", "system",
               "p50 us at half of its own most", "p99", "p99.9", "p99 of whole runs", "lost",
               "lost at half load", "p50 us at the same rate", "p99", "p99.9"]


def case_table(rows):
    return markdown([CASE_HEADER, *[
        [name, shown(row["qps"]), shown(row["to_echo"], "{:.2f}"),
         shown(row["to_unbound"], "{:.2f}"), shown(row["cpu_us"], "{:.2f}"),
         shown(row["user_us"], "{:.2f}"), shown(row["system_us"], "{:.2f}"), shown(row.get("p50")),
         shown(row.get("p99")), shown(row.get("p999")), shown(row.get("p99_whole")),
         share(row["lost"]), share(row.get("half_lost")), shown(row.get("same_p50")),
         shown(row.get("same_p99")), shown(row.get("same_p999"))] for name, row in rows.items()]])


def notes_of(case, name, row):
    if case not in ("misses", "mix") and row["authority_share"] > 0.01:
        yield (f"not all were hits; the authority was busy for {row['authority_share']:.0%}"
               " of the time")
    bad = row["bad"] + row.get("half_bad", 0)
    if bad:
        yield f"{bad} replies were errors or empty; not counted"
    if row["reconnects"]:
        yield f"closed {row['reconnects']} connections; what was under way on them counts as lost"
    if row["others_on_core"] > report.DISTURBED:
        yield (f"somebody else ran on its core for {row['others_on_core']:.0%} of the time; its"
               " user and system shares are not to be trusted, nor its latencies")
    if row["server_core"] < 0.95:
        yield (f"was not held up by its own core, which it used for {row['server_core']:.0%};"
               f" generator and authority used {row['other_core']:.0%} of theirs")
    if name == "dnsmasq" and case in ("misses", "mix"):
        yield "its cache holds 10,000 names at most"


def notes(case, rows):
    """What a reader has to know of a case before he believes it."""
    return "\n".join(f"- {name}: {note}." for name, row in rows.items()
                     for note in notes_of(case, name, row))


def case_parts(table):
    for case, rows in table.items():
        rounds = sorted({row["rounds"] for row in rows.values()})
        same = report.median(row.get("same_rate") for row in rows.values())
        at = f"; the same rate for all: {same:,.0f} queries/s" if same else ""
        yield (f"**{report.CASES[case]}** ({'-'.join(map(str, rounds))} rounds{at})\n\n"
               + case_table(rows))
        if notes(case, rows):
            yield notes(case, rows)


# --- freshet alone


def changes_table(changes):
    header = ["server and rate", "queries/s", "p50 us without", "with changes", "p99 us without",
              "with changes", "ratio", "p99 us queries left late, without", "with",
              "other core busy, with", "changes/s applied", "hits invalidated for nothing"]
    return markdown([header, *[
        [f"{row['server']}, {row['share']:.0%} of freshet's most", f"{row['rate']:,.0f}",
         shown(row["without_p50"]), shown(row["with_p50"]), shown(row["without_p99"]),
         shown(row["with_p99"]), shown(row["p99_ratio"], "{:.2f}"), shown(row["without_late_p99"]),
         shown(row["with_late_p99"]), shown(row["with_other_core"], "{:.0%}"),
         shown(row["applied_rate"]), share(row["false_share"])] for row in changes]])


def changes_notes(changes):
    return "\n".join(
        f"- {row['server']}, {row['share']:.0%}, {side} changes: somebody else ran on its core for"
        f" {row[side + '_others_on_core']:.0%} of the time; not to be trusted."
        for row in changes for side in ("without", "with")
        if row[side + "_others_on_core"] > report.DISTURBED)


def workers_table(workers):
    header = ["workers", "queries/s", "cores they used", "cores the generator used",
              "us of processor", "queries/s with a core each", "x one worker"]
    return markdown([header, *[
        [str(count), f"{row['qps']:,.0f}", f"{row['server_cores']:.2f}",
         f"{row['generator_cores']:.2f}", shown(row["cpu_us"], "{:.2f}"),
         shown(row["capacity"]), shown(row.get("to_one"), "{:.2f}")]
        for count, row in workers.items()]])


def bars_table(bars):
    verdict = {None: "not measured", True: "yes", False: "NO"}
    return markdown([["bar", "measured", "wanted", "met"], *[
        [item["bar"], shown(item["value"], "{:.4g}"), f"at {item['at']} {item['limit']:g}",
         verdict[item["met"]]] for item in bars]])


# --- everything


def whole(result):
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    parts = [f"{result['machine']}. {result['when']}. {versions}. Medians of interleaved rounds;"
             " latencies are medians over tenths of a second as well, but for \"whole runs\"."]
    if result["summary"]:
        parts.append(overview(result["summary"]))
    parts += case_parts(result["summary"])
    if result["changes"]:
        parts.append("**hits while 10,000 changes/s are applied**, of names that are not cached;"
                     " real Kafka. Bursts of 16 queries; latency from sending to when the kernel"
                     " had the reply\n\n" + changes_table(result["changes"]))
        parts += filter(None, [changes_notes(result["changes"])])
    if result["workers"]:
        parts.append("**a second worker**\n\n" + workers_table(result["workers"]))
    parts.append("**bars**\n\n" + bars_table(result["bars"]))
    parts += [f"- {name} did not start: {why.splitlines()[0]}"
              for name, why in result["absent"].items()]
    return "\n\n".join(parts) + "\n"
