"""The table of the floods, as text, as a page and as a picture."""

import json
import os

import freshet
import html_page
import paths
import table

HEAD = ["attack", "server", "sent a second", "UDP: no answer", "UDP p99, calm", "attacked", "hits: no answer", "hits' p99, calm", "attacked",
        "TCP: no answer", "TCP p99, calm", "attacked",
        "RSS before", "most", "after", "cores", "log"]
TITLES = {"echo": "echo server", "freshet": "freshet", "unbound": "Unbound"}


def _ms(value):
    return table.shown(value, "{:,.2f} ms")


def cells(row):
    calm, attacked = row["calm"], row["attacked"]
    found = [row["attack"], TITLES[row["server"]], f"{row['sent']:,.0f}"]
    for way in ("udp", "hit", "tcp"):
        found += ["-"] * 3 if way not in calm else [
            f"{attacked[way]['failed']} of {attacked[way]['asked']}", _ms(calm[way]["p99_ms"]), _ms(attacked[way]["p99_ms"])]
    return [*found, f"{row['rss_before_mib']:.0f} MiB", f"{row['rss_most_mib']:.0f} MiB",
            f"{row['rss_after_mib']:.0f} MiB", f"{row['cpu']:.2f}",
            table.shown(row["log_kib"], "{:,.0f} KiB")]


def line(row):
    return "  " + "  ".join(f"{head}: {cell}" for head, cell in zip(HEAD, cells(row)))


def draw(rows):
    """Of each attack: the share of the others' queries that got no answer, and the memory, one bar a server."""
    names = list(dict.fromkeys(row["attack"] for row in rows if row["server"] != "echo"))
    figure, plots = html_page.plt.subplots(1, 3, figsize=(11, 0.45 * len(names) + 1.2), sharey=True)
    figures = (("no answer by UDP, %", lambda row: share(row, "udp")), ("no answer by TCP, %", lambda row: share(row, "tcp")),
               ("RSS at most, MiB", lambda row: row["rss_most_mib"]))
    for plot, (title, value) in zip(plots, figures):
        for offset, key in ((-0.2, "freshet"), (0.2, "unbound")):
            mine = [row for row in rows if row["server"] == key]
            bars = plot.barh([names.index(row["attack"]) + offset for row in mine], [value(row) for row in mine], 0.36,
                             label=TITLES[key])
            plot.bar_label(bars, fmt="%.3g", fontsize=7, padding=2)
        plot.set_title(title, loc="left", fontsize=9)
        plot.spines[["top", "right"]].set_visible(False)
        plot.margins(x=0.2)
    plots[0].set_yticks(range(len(names)), names, fontsize=8)
    plots[0].invert_yaxis()
    plots[-1].legend(fontsize=8, frameon=False)
    return figure


def share(row, way):
    return 100 * row["attacked"][way]["failed"] / max(1, row["attacked"][way]["asked"])


def write(rows, cookies, picture):
    directory = os.path.join(paths.ROOT, freshet.build_directory(), "flood")
    os.makedirs(directory, exist_ok=True)
    lines = [HEAD, *map(cells, rows)]
    told = "" if cookies is None else f"2,000 cookies of a tier with per_client ask for one name: {cookies} queries to the upstream\n"
    text = table.markdown(lines) + "\n\n" + told
    print("\n" + text)
    for name, content in (("flood.txt", text), ("flood.json", json.dumps({"rows": rows, "cookies": cookies}, indent=1))):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(content)
    if all(row["server"] == "echo" for row in rows):
        return
    drawn = draw(rows)
    html_page.write(os.path.join(directory, "flood.html"), "Floods", [
        "<h1>One client against all others</h1>", html_page.table(lines), f"<p>{told}</p>"])
    html_page.save(drawn, os.path.join(paths.BENCH if picture else directory, "flood.svg"))
