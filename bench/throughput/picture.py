"""The run as one picture: queries/s, processor time and latency, by case and server."""

from matplotlib import ticker
from matplotlib.patches import Patch

import html_page
import peers
import report

OURS, LIMIT, OTHERS, KERNEL = "#0b6e99", "#555555", "#9aa9b4", "#dde2e6"
LABELS = {"echo": "echo (limit)", **{key: peers.PROGRAMS[key][0] for key in peers.FORWARDERS}}


def colour(name):
    return {"freshet": OURS, "echo": LIMIT}.get(name, OTHERS)


def ordered(rows, key, more_is_better):
    """Names with a value, the echo first, then the best."""
    names = [name for name in report.NAMES if rows.get(name, {}).get(key) is not None]
    sign = -1 if more_is_better else 1
    return sorted(names, key=lambda name: (name != "echo", sign * rows[name][key]))


def frame(axes, names, title, label):
    axes.set_yticks(range(len(names)), [LABELS.get(name, name) for name in names])
    for tick, name in zip(axes.get_yticklabels(), names):
        tick.set_fontweight("bold" if name.startswith("freshet") else "normal")
    axes.invert_yaxis()
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axes.set_xlabel(label, fontsize=8.5)
    axes.tick_params(labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def write_values(axes, widths, form):
    """Each bar's figure, beside it."""
    most = max(widths, default=1)
    for place, width in enumerate(widths):
        axes.text(width + most * 0.01, place, form.format(width), va="center", fontsize=8)
    axes.set_xlim(0, most * 1.15)


def throughput(axes, rows, title):
    names = ordered(rows, "qps", True)
    widths = [rows[name]["qps"] / 1000 for name in names]
    axes.barh(range(len(names)), widths, color=[colour(name) for name in names])
    write_values(axes, widths, "{:,.0f}k")
    frame(axes, names, f"{title}, a second", "thousands (k); more is better")


def processor(axes, rows, title):
    names = ordered(rows, "cpu_us", False)
    user = [rows[name]["user_us"] for name in names]
    system = [rows[name]["system_us"] for name in names]
    axes.barh(range(len(names)), system, color=KERNEL)
    axes.barh(range(len(names)), user, left=system, color=[colour(name) for name in names])
    if "echo" in names:
        axes.axvline(rows["echo"]["cpu_us"], color=LIMIT, linewidth=1, linestyle="--")
    write_values(axes, [rows[name]["cpu_us"] for name in names], "{:.2f} us")
    axes.legend(handles=[Patch(color=KERNEL, label="kernel"), Patch(color=OURS, label="own code")],
                fontsize=8, loc="upper right", frameon=False)
    frame(axes, names, f"{title}: processor time of one",
          "microseconds; dashed: the echo; less is better")


def latency(axes, rows, title):
    latencies_of(axes, rows, "", f"{title}: latency at half of its own maximum rate")


def latency_at_one_rate(axes, rows, title):
    rate = report.median(row.get("same_rate") for row in rows.values())
    latencies_of(axes, rows, "same_", f"{title}: latency at {rate / 1000:,.0f},000 queries/s for all")


def latencies_of(axes, rows, kind, title):
    names = ordered(rows, f"{kind}p99", False)
    draw_latencies(axes, [tuple(rows[name][kind + quantile] for quantile in report.QUANTILES)
                          for name in names], [colour(name) for name in names])
    frame(axes, names, title, "microseconds; p50 (dot), p99 (diamond), p99.9 (bar); less is better")


def draw_latencies(axes, values, colours):
    places = range(len(values))
    axes.hlines(places, [low for low, _, _ in values], [high for _, _, high in values],
                color=colours, linewidth=2)
    for column, marker, size in ((0, "o", 22), (1, "D", 30), (2, "|", 50)):
        axes.scatter([value[column] for value in values], places, color=colours, marker=marker,
                     s=size, zorder=3)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ticker.ScalarFormatter())
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.grid(axis="x", alpha=0.25)


def under_changes(axes, changes, title):
    names, values, colours = [], [], []
    for row in sorted(changes, key=lambda row: (row["share"], row["server"])):
        for side, words in (("without", ""), ("with", " + changes")):
            names.append(f"{row['server']}, {row['rate'] / 1000:.0f} k/s{words}")
            values.append(tuple(row[f"{side}_{quantile}"] for quantile in ("p50", "p99", "p999")))
            colours.append(colour(row["server"]))
    draw_latencies(axes, values, colours)
    frame(axes, names, title, "microseconds; p50 (dot), p99 (diamond), p99.9 (bar); less is better")


def panels(result):
    """(drawing function, figures, title), in the order of reading: two in a line."""
    summary = result["summary"]
    cases = [(case, title) for case, title in (("uniform", "cache hits"), ("misses", "misses"))
             if case in summary]
    found = [(draw, summary[case], title) for draw, key in
             ((throughput, "qps"), (processor, "cpu_us"), (latency, "p99"), (latency_at_one_rate, "same_p99"))
             for case, title in cases
             if any(row.get(key) is not None for row in summary[case].values())]
    if "tcp" in summary:
        found.append((throughput, summary["tcp"], "cache hits over TCP"))
    if result["changes"]:
        found.append((under_changes, result["changes"], "cache hits while 10,000 changes/s are"
                      " applied"))
    return found


def write(result, path):
    found = panels(result)
    if not found:
        return
    lines = (len(found) + 1) // 2
    figure, grid = html_page.plt.subplots(lines, 2, figsize=(12, 3 * lines + 0.5), squeeze=False)
    for axes in grid.flat[len(found):]:
        axes.set_visible(False)
    for axes, (draw, figures, title) in zip(grid.flat, found):
        draw(axes, figures, title)
    figure.suptitle("freshet beside other servers, each alone on one core of the same machine",
                    fontsize=13, x=0.01, ha="left", fontweight="bold")
    rounds = max((row["rounds"] for rows in result["summary"].values() for row in rows.values()),
                 default=0)
    missing = "".join(f" {LABELS.get(name, name)} is missing: it did not start." for name in result["absent"])
    figure.text(0.01, 0.003, f"{result['machine']}; {result['when'][:10]}; loopback; medians of"
                f" {rounds} rounds. The echo sends each query back: the most the kernel allows.{missing}",
                fontsize=8, color="#555555")
    figure.tight_layout(rect=(0, 0.015, 1, 0.985))
    html_page.save(figure, path)
