"""The result of bench/zone: a table, its bars, and a picture."""

import json
import os
import statistics

import html_page
from table import markdown, shown

ORDER = ["freshet", "knot", "nsd"]
COLOURS = {"freshet": "#0b6e99"}


def _by_server(rows, key, way=None):
    """server -> the median of `key`."""
    found = {}
    for row in rows:
        if way in (None, row.get("way")):
            found.setdefault(row["server"], []).append(row[key])
    return {server: statistics.median(found[server]) for server in ORDER if server in found}


def columns(result):
    """title -> (server -> value, how it is written), of what was measured."""
    parts = result["parts"]
    lookups, changes = parts.get("lookups", []), parts.get("changes", [])
    return {
        "loaded in, s": (_by_server(parts.get("load", []), "seconds"), "{:.2f}"),
        "CPU of that, s": (_by_server(parts.get("load", []), "cpu_s"), "{:.2f}"),
        "bytes per record": (_by_server(parts.get("memory", []), "per_record"), "{:.0f}"),
        "cold lookups/s": (_by_server(lookups, "qps", "cold"), "{:,.0f}"),
        "CPU of one, us": (_by_server(lookups, "cpu_us", "cold"), "{:.2f}"),
        "with RD, through the cache": (_by_server(lookups, "qps", "cold, RD"), "{:,.0f}"),
        "cached": (_by_server(lookups, "qps", "cached"), "{:,.0f}"),
        "changes/s, each a version": (_by_server(changes, "changes_per_s", "1 a set"), "{:,.0f}"),
        "changes/s, 1,000 a version": (_by_server(changes, "changes_per_s", "1000 a set"), "{:,.0f}"),
    }


def bars(result):
    """(sentence, whether it was met) for what was measured."""
    found = columns(result)
    wanted = [("loaded in, s", "knot", False), ("bytes per record", "knot", False), ("cold lookups/s", "nsd", True),
              ("with RD, through the cache", "nsd", True)]
    judged = []
    for title, peer, more in wanted:
        ours, form = found[title]
        theirs = found["cold lookups/s"][0] if more else ours
        if "freshet" in ours and peer in theirs:
            mine, other = ours["freshet"], theirs[peer]
            judged.append((f"{title}: {form.format(mine)}, {result['titles'][peer]} {form.format(other)}",
                           mine >= other if more else mine <= other))
    return judged


def _tables(result):
    found = {title: column for title, column in columns(result).items() if column[0]}
    rows = [["", *found]] + [[result["titles"].get(server, server), *[shown(values.get(server), form)
                                                                    for values, form in found.values()]] for server in ORDER]
    yield markdown(rows)
    yield "\n".join(f"{'met' if met else 'MISSED'}: {sentence}" for sentence, met in bars(result))


def _draw(result, path):
    found = [(title, column) for title, column in columns(result).items() if len(column[0]) > 1]
    if not found:
        return
    figure, plots = html_page.plt.subplots(1, len(found), figsize=(3 * len(found), 2.2), squeeze=False)
    for plot, (title, (values, form)) in zip(plots.flat, found):
        places = range(len(values))
        plot.barh(places, values.values(), color=[COLOURS.get(server, "#9aa9b4") for server in values])
        plot.set_yticks(places, [result["titles"].get(server, server) for server in values])
        plot.invert_yaxis()
        plot.set_xlim(0, 1.3 * max(values.values()))
        plot.set_title(title, loc="left", fontsize=10)
        plot.spines[["top", "right"]].set_visible(False)
        for place, value in enumerate(values.values()):
            plot.text(value, place, " " + form.format(value), va="center", fontsize=8)
    figure.text(0.01, 0.0, f"{result['records']:,} records; {result['machine']}; {result['when']}", fontsize=8)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    html_page.save(figure, path)


def write(result, path, directory):
    """The files; 1 if a bar was missed."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
    text = "\n\n".join(_tables(result)) + "\n"
    with open(os.path.join(directory, "zone.md"), "w", encoding="utf-8") as file:
        file.write(text)
    _draw(result, os.path.join(directory, "zone.svg"))
    print(text)
    return 0 if all(met for _, met in bars(result)) else 1
