"""The page: self-contained, its plots drawn by matplotlib as SVG inside it. For readers who never
saw freshet: what is measured comes first, then the picture, then the tables."""

import html

from matplotlib.ticker import FuncFormatter

import html_page
import tables
from html_page import svg, table
from table import time

INTRODUCTION = """<p>A DNS record changes, and until every cache that holds the old record has noticed, some
clients are sent to the wrong place. Caches usually notice when the record's time to live (TTL)
is over. <b>freshet</b> is a caching resolver that is <i>told</i> instead: whoever changes a
record publishes the change to a Kafka topic, and every tier of caches (in the browser's place,
the machine's, the neighbourhood's, the region's) follows that topic and replaces what it
holds.</p>
<p>Here one program changes records of a zone at {changes:g} a second. It asks every tier for
the changed name again and again, at times fixed beforehand, whether or not the last question
was answered (so that a slow answer hides no other), and notes when the <b>first new answer</b>
and the <b>last old answer</b> came, counted from the call that publishes. A plain Kafka
consumer runs beside the tiers: what it needs, Kafka itself needs on this machine. Then the same
zone is changed at the same rate with the other ways there are: TTLs, and servers that are told
by NOTIFY or by a script, each at its defaults and tuned. Everything runs on one machine;
absolute times are that machine's, the proportions are what carries over.</p>"""

METHOD = """<h2>How it is measured</h2>
<ul>
<li>One process with one clock publishes, reads the topic, and asks. A time is when the answer
is in the client's hands: late by its way there and back and by up to the distance of two
questions ({fine} in the first 10 ms, then 15 % of the time since the change, at most {coarse}),
never early.</li>
<li>{cores}</li>
<li>{watched:g} of the {changes:g} changes a second are looked for (fewer with TTLs and the other ways){rotation}; all
{names} names are asked for at every tier every two seconds or so ({sweep:g} queries/s), so that
they are in use. Where a cache did not hold the name when it changed (no old answer was seen
after the change was published), it had nothing to be told, and the change is not counted
there.</li>
<li>Each way is measured for 10 to 60 s after some seconds of the same load, the others not as
long as freshet: their p99 are of fewer changes (the last column of "All times"). freshet's tiers
are four, one above the other; the others are one cache, next to the authority: that is to their
advantage. With TTLs the same four tiers run without a feed.</li>
<li>"Applied" is by freshetd's own clock, read over its control socket. "Own share" is from the
moment Kafka's client library hands the message to freshetd until the first new answer is at the
client's socket, by the kernel's stamp: it contains the distance of two questions and a query's way
there and back, which until it was in the client's hands took {rtt} (p50, p99) for <i>any</i>
query of the same run.</li>
<li>The authority is 0 ms away and answers at once, to the advantage of all that must ask it
again.</li>
<li>The price is taken in a run of its own, without probes: {clients:g} queries/s to the first
tier, names by Zipf's law, with the same changes. Bytes are all that crossed the loopback
interface (in a network namespace of its own) besides the clients' queries and answers, divided
by the changes: the publishing of a change is in it. For TTLs not waited for: 1/(1 + rate x TTL)
of a name's questions miss.</li>
</ul>"""

ROTATION = """, most of them at one tier of the four, another each time, as questions to all at
once are a load of their own; every 64th at all of them"""
AWAKE = """ Processors that have nothing to do were kept from sleeping, as a server's are where
latency matters (/dev/cpu_dma_latency): to wake one takes about as long as what is measured."""
TOGETHER = "Every process runs on every core, Kafka and the program that asks among them."

COLOURS = {"freshet": "#0b5fa5", "freshet-origin": "#1b9e9e", "TTL": "#7a7f87", "Unbound auth-zone": "#1b7f4b",
           "BIND secondary": "#c4610a", "PowerDNS Recursor": "#8a3ea8", "Unbound flush": "#b3203a"}
TIER_COLOURS = ["#0b5fa5", "#1b9e9e", "#6a51a3", "#d17b0f"]
ORIGIN_DASHES = {"captured-bind": (6, 2), "captured-knot": (2, 1.5)}
TTL_DASHES = {5: (None, None), 30: (6, 2), 300: (3, 2), 3600: (1, 1.5)}


def _cdf(axes, values, **style):
    """What was not seen within the horizon leaves the curve below 100 %."""
    seen = sorted(value for value in values if value is not None and value > 0)
    if seen:
        shares = [100 * (k + 1) / len(values) for k in range(len(seen))]
        axes.step(seen, shares, where="post", **style)


def _axes(title, height):
    figure, axes = html_page.axes(title, (10, height), xscale="log", ylim=(0, 100.5),
                                  ylabel="changes with a new answer, %", xlabel="time since the change was published")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda us, _: time(us)))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    return figure, axes


def _finish(figure, axes):
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, handlelength=4)
    return svg(figure)


def _style(record):
    style = {"color": COLOURS[record["family"]], "label": record["title"], "linewidth": 1.6}
    if record["family"] == "TTL":
        style["dashes"] = TTL_DASHES.get(record["ttl"], (4, 2))
    elif record["tuned"]:
        style["dashes"] = (4, 1.5)
    elif record["key"] in ORIGIN_DASHES:
        style["dashes"] = ORIGIN_DASHES[record["key"]]
    if record["family"] in tables.OURS:
        style["linewidth"] = 2.6
    return {key: value for key, value in style.items() if value != (None, None)}


def all_modes(records):
    """Every way in one picture, each at its slowest tier."""
    figure, axes = _axes("Every way, each at its slowest tier (solid: defaults, dashed: tuned)", 5)
    for record in records:
        if record["key"] == "push-split":
            continue
        name, _ = tables.worst(record)
        _cdf(axes, record["tiers"][name]["samples"]["new"], **_style(record))
    return _finish(figure, axes)


def by_tier(record):
    """The tiers of one way, and the plain consumer."""
    figure, axes = _axes(record["title"], 3.4)
    for colour, (name, tier) in zip(TIER_COLOURS, record["tiers"].items()):
        _cdf(axes, tier["samples"]["new"], color=colour, label=f"new answer at {name}",
             linewidth=1.6)
    _cdf(axes, record["common"]["read"], color="black", label="plain Kafka consumer", linewidth=1.4,
         linestyle=":")
    return _finish(figure, axes)


def _mark(axes, at, place, colour):
    axes.plot([at], [place], "|", color=colour, markersize=11, markeredgewidth=2)


def waterfall(record):
    """One change on its way; the one whose slowest tier is the median."""
    change = record["example"]
    figure, axes = html_page.axes(
        f"One change (number {change['version']}): red is the last old answer, green the first new one", (10, 2.9),
        xlabel="microseconds since the call that publishes")
    lanes = [("acknowledged by the broker", 0, change["acked"], "#9aa3ad"),
             ("readable (plain consumer)", 0, change["read"], "#4a525a")]
    inside = [item for item in change.get("inside", []) if item]
    if inside:
        handed = inside[0]["applied"] - inside[0]["took"]
        lanes += [("handed to freshetd", 0, handed, "#9cc3e4"),
                  ("applied", handed, inside[0]["applied"], "#0b5fa5")]
    lanes = [lane for lane in lanes if lane[2] is not None]
    labels = [lane[0] for lane in lanes] + [f"{name}: last old | first new"
                                            for name in record["tiers"]]
    for place, (label, start, end, colour) in enumerate(lanes):
        axes.barh(place, end - start, left=start, color=colour, height=0.6)
        axes.text(end, place, f"  {end} us", va="center", fontsize=8)
    for place, tier in enumerate(change["tiers"], len(lanes)):
        axes.barh(place, tier["new"], color="#dfe6ec", height=0.6)
        if tier["old"] is not None:
            _mark(axes, tier["old"], place, "#a8201a")
        _mark(axes, tier["new"], place, "#1b6e3c")
        axes.text(tier["new"], place, f"  {tier['new']} us", va="center", fontsize=8)
    axes.set_yticks(range(len(labels)))
    axes.set_yticklabels(labels, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    return svg(figure)


def _machine(records, versions):
    load = [record["machine"]["load"] for record in records]
    times = [record["when"] for record in records]
    machine = records[0]["machine"]
    rows = [["", ""], ["processor", machine["cpu"]], ["kernel", machine["kernel"]],
            ["measured", f"{min(times)} to {max(times)}"],
            ["load average during it", f"{min(load)} to {max(load)}"],
            *[[name, version] for name, version in versions.items()]]
    return table(rows)


def _horizon(records):
    """For how long a change is looked for, by those who are told of it."""
    return time(1000 * max(record["horizon_ms"] for record in records if record["family"] != "TTL"))


def _first_words(records):
    options = records[0]["options"]
    return INTRODUCTION.format(**options)


def _method(records):
    options = records[0]["options"]
    latency = records[0]["counts"]["tiers"][0]["latency"]
    return METHOD.format(
        **{**options, "fine": time(options["fine"])},
        rotation=ROTATION if options["rotate"] else "",
        cores=TOGETHER + (AWAKE if options.get("awake") else ""),
        coarse=time(max(record["coarse_us"] for record in records)),
        rtt=f"{time(latency['p50'])} and {time(latency['p99'])}")


def _own_note(push):
    """What stands in the way of a short time until visible."""
    for record in push:
        apply = next(iter(record["tiers"].values()))["summary"].get("apply", {})
        latency = record["counts"]["tiers"][0]["latency"]
        if apply.get("count"):
            return (f'<p class="note">Until it has applied a change, freshetd takes '
                    f"{time(apply['p50'])} (p50) and {time(apply['p99'])} "
                    f"(p99); every query after that is answered anew. The rest until \"visible\" is "
                    f"the wait for the next question and its way there and back, which for any query "
                    f"took {time(latency['p50'])} (p50) and "
                    f"{time(latency['p99'])} (p99) on this machine under this load.</p>")
    return ""


def _ways(records):
    rows = [["way", "what it is"]] + [[record["title"], record["about"]] for record in records]
    return table(rows).replace("<td>", '<td style="text-align:left">')


def write(records, versions, path):
    push = [record for record in records if record["family"] in tables.OURS]
    parts = ["<h1>How long until every cache has the change?</h1>",
             f'<p class="verdict">{html.escape(" ".join(tables.verdict(records)))}</p>', _first_words(records),
             all_modes(records),
             '<p class="note">Left is better. A curve at 50 % and 1 ms says: half of the changes were '
             "answered anew within a millisecond of being published. Where one ends below 100 %, the other changes were not "
             f'seen within {_horizon(records)}: in the tables they are "later".</p>',
             "<h2>Against freshet</h2>", *map(table, tables.comparisons(records)),
             '<p class="note">Times as multiples of freshet\'s at the same quantile, the slowest tier '
             "of each; and where the other way's fastest tier is earlier than freshet's slowest. What freshet-origin "
             "brings to the topic is counted from the UPDATE, as the others are: its primary's own time is in it. The "
             "last three columns count the others only from when their primary server has "
             "acknowledged the change, as if it took no time, and freshet still from the call that "
             "publishes: that shows how close the cache alone comes.</p>",
             "<h2>What was promised</h2>", table(tables.bar_rows(records)), _own_note(push),
             "<h2>What it costs</h2>", table(tables.price_rows(records))]
    for record in push:
        parts += [f"<h2>{html.escape(record['title'])}</h2>",
                  f"<p>{html.escape(record['about'])}</p>", by_tier(record)]
        if record["example"]:
            parts.append(waterfall(record))
        parts.append(table(tables.stage_rows(record)))
    for record in records:
        if record["family"] == "TTL" and not record.get("computed"):
            parts += [f"<h2>{html.escape(record['title'])}</h2>", by_tier(record)]
    parts += ["<h2>All times</h2>", table(tables.latency_rows(records)),
              "<h2>The ways</h2>", _ways(records), _method(records),
              "<h2>Machine and versions</h2>", _machine(records, versions),
              "<p>To repeat it: <code>make bench-propagation</code>; "
              "<code>python3 bench/propagation/run.py --help</code> for parts of it.</p>"]
    html_page.write(path, "freshet: how fast does a change propagate?", parts)
