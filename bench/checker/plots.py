"""The report: one self-contained page, its plots drawn by matplotlib as SVG inside it."""

import html

import tables
from html_page import axes as new_axes, svg, table, write as write_page

WIDE = (10, 3.2)  # inches
INTRODUCTION = """<p>A program apart from the caches changes records, first at the authority (which it is),
then in a Kafka topic, and asks every cache all the while, as any DNS client would. The <b>age</b> of
an answer is how long before its query was sent a newer version had become readable in Kafka; an
answer is <b>consistent within x</b> when its age is at most x. <b>Changes at x</b>: of the changes,
those that the answer to a query sent x after the change was readable had. Nines: 99.99&nbsp;% is 4;
with no stale answer at all, &gt; what a single one would have made.</p>"""
CRITERIA = """<h2>What is a violation</h2>
<p>Of a tier that says how far it has applied the log, an answer older than the newest version that
it had said to have applied before the query was sent: <b>P1</b>; <b>P3</b> instead, where a parent
tier that was not known to have applied the change may have given the old answer (permitted with TTL
0); <b>P4</b> instead, where the authority still gave it, and longer ago than one second per tier.
Of any tier: <b>regression</b>, an answer older than one it gave before; <b>bound</b>, an age beyond
the tier's bound (5 s with a live feed, 1 s for caches that are told in other ways); <b>P5</b>, an
answer kept for longer than its TTL and the lease; <b>P7</b>, a TTL above the tier's limit towards
clients; <b>wrong</b> and <b>mixed</b>, an answer that is no version of the name.</p>"""


def stale_shares(records):
    """For all runs together: the share of answers that are older than x."""
    figure, axes = new_axes("steady answers older than x", WIDE, xlabel="x, milliseconds", ylabel="share")
    drawn = False
    for record in records:
        for tier in record["result"]["tiers"]:
            buckets, left = tier["age_buckets"], tier["stale"]
            xs, ys = [], []
            for value, count in buckets:
                xs.append(max(value, 0.01))
                ys.append(left / max(tier["stream"], 1))
                left -= count
            if xs:
                drawn = True
                xs.append(max(xs[-1], tier["age_ms"]["max"]))
                ys.append(1 / max(tier["stream"], 1))
                axes.step(xs, ys, where="post", label=f"{record['scenario']}: {tier['name']}")
    if drawn:
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.legend(fontsize=8, loc="lower left")
    axes.axvline(5, color="grey", linewidth=0.8, linestyle=":")
    axes.axhline(1e-4, color="grey", linewidth=0.8, linestyle=":")
    return svg(figure)


def timeline(record):
    """Answers, stale answers and violations in each second, with the marks."""
    figure, axes = new_axes("each second: answers, those older than 5 ms, violations", WIDE, xlabel="seconds",
                            ylabel="answers")
    seconds = [item["second"] for item in record["seconds"]]
    for place, tier in enumerate(record["result"]["tiers"]):
        rows = [item["tiers"][place] for item in record["seconds"]]
        line, = axes.plot(seconds, [row["answered"] for row in rows], label=tier["name"],
                          linewidth=1)
        for values, style, what in (([row["older"][1] for row in rows], ".", "> 5 ms"),
                                    ([sum(row["violations"].values()) for row in rows], "x",
                                     "violations")):
            points = [(s, v) for s, v in zip(seconds, values) if v]
            if points:
                axes.plot(*zip(*points), style, color=line.get_color(), markersize=4,
                          label=f"{tier['name']}: {what}")
    for mark in record["marks"]:
        axes.axvline(mark["at_ms"] / 1000, color="black", linewidth=0.8, linestyle="--")
        axes.text(mark["at_ms"] / 1000, 1, mark["text"], rotation=90, va="bottom", fontsize=7)
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8, loc="center right")
    return svg(figure)


def _section(record):
    options = record["options"]
    return [f"<h2>{html.escape(record['scenario'])}</h2>",
            f"<p>{options['seconds']} s, {options['changes']:g} changes/s "
            f"({html.escape(options['mix'])}) of {options['names']} names with TTL "
            f"{options['ttl']} s, {options['queries']:g} queries/s besides probes, Zipf "
            f"{options['zipf']:g}; the authority is {options['authority_delay']:g} ms away. {html.escape(record['when'])}; "
            f"{html.escape(record['machine'])}.</p>", timeline(record),
            f"<pre>{html.escape(tables.result(record))}</pre>"]


def write(records, path):
    """All runs, side by side and each for itself."""
    parts = ["<h1>How old are the answers?</h1>", INTRODUCTION,
             table(tables.comparison_rows(records)), stale_shares(records), CRITERIA]
    for record in records:
        parts += _section(record)
    write_page(path, "freshet: consistency from outside", parts)
