"""The result of bench/memory: a table in Markdown, which also reads well on a terminal; JSON; a picture."""

import json
import os

import html_page
from table import markdown

KINDS = {"a": "A", "aaaa": "AAAA, EDNS", "nxdomain": "NXDOMAIN", "cname": "CNAME, CNAME, A"}
MIB = 1 << 20


def _servers(rows):
    """server -> kind -> row, in the order measured."""
    found = {}
    for row in rows:
        found.setdefault(row["server"], {})[row["kind"]] = row
    return found


def _answers(result):
    kinds = [kind for kind in KINDS if any(row["kind"] == kind for row in result["rows"])]
    rows = [["bytes per answer", *[KINDS[kind] for kind in kinds], "whole process", "cached"]]
    for by_kind in _servers(result["rows"]).values():
        first = next(iter(by_kind.values()))
        rows.append([f"{first['title']} {first['version']}",
                     *[f"{by_kind[kind]['bytes_per_answer']:.0f}" if kind in by_kind else "-"
                       for kind in kinds],
                     f"{first['whole_per_answer']:.0f}", f"{first['cached']}"])
    return markdown(rows)


def _notes(result):
    lines = [f"{result['names']} names of 20 characters, each with its own answer. Memory of the "
             "process (RssAnon) beyond what the",
             "same program takes with as good as no cache, over the answers that are cached. "
             "The last two columns are of the",
             "first kind measured; \"whole process\" is all that it takes, over the answers."]
    for row in result["rows"]:
        if row["server"] == "knot-resolver" and row["filled"]["file"]:
            entries = row["filled"]["entries"]
            lines.append(f"Knot Resolver, {KINDS[row['kind']]}: "
                         f"{(row['filled']['file'] - row['alone']['file']) / row['cached']:.0f} B "
                         f"for each are pages of its LMDB file, which has {entries} entries.")
        if "given_back" in row:
            back = row["given_back"]
            lines.append(f"freshet, reloaded with a limit of {back['limit'] / MIB:.0f} MiB: "
                         f"{back['anon'] / MIB:.0f} MiB, where it was "
                         f"{row['filled']['anon'] / MIB:.0f} MiB; {back['answers']} answers left.")
    lines += [f"Not measured: {item['server']}, {KINDS[item['kind']]}: "
              f"{item['why'].splitlines()[0]}" for item in result["missing"]]
    return "\n".join(lines)


def _churn(lines):
    """The day in eight lines, and each step after it."""
    before = lines[0]["rss"]
    day = [line for line in lines if line["phase"] == "day"]
    shown = [day[place - 1] for place in sorted({len(day) * k // 8 for k in range(1, 9)} - {0})]
    rows = [["churn", "puts", "limit, MiB", "RSS, MiB", "answers", "hits"]]
    for line in shown + [line for line in lines[1:] if line["phase"] != "day"]:
        rows.append([line["phase"], f"{line['inserts']}", f"{line['limit'] / MIB:.0f}",
                     f"{(line['rss'] - before) / MIB:.1f}", f"{line['entries']}",
                     f"{line['hit_ratio']:.0%}" if line["hit_ratio"] else "-"])
    worst = max(line["rss"] for line in day) - before
    return (f"{markdown(rows)}\n\nRSS is what was added since before the store was made. At most "
            f"in the day: {worst / MIB:.1f} MiB, {worst / lines[0]['limit'] - 1:+.1%} of the limit.")


def text(result):
    parts = []
    if result["rows"] or result["missing"]:
        parts += [_answers(result), _notes(result)] if result["rows"] else [_notes(result)]
    if "churn" in result:
        parts.append(_churn(result["churn"]))
    return "\n\n".join(parts)


def _draw_answers(axes, result):
    found = _servers(result["rows"])
    kinds = [kind for kind in KINDS if any(kind in by_kind for by_kind in found.values())]
    height = 0.8 / max(len(kinds), 1)
    for k, kind in enumerate(kinds):
        places = [place for place, by_kind in enumerate(found.values()) if kind in by_kind]
        values = [by_kind[kind]["bytes_per_answer"] for by_kind in found.values()
                  if kind in by_kind]
        at = [place + (k - (len(kinds) - 1) / 2) * height for place in places]
        bars = axes.barh(at, values, height * 0.9, label=KINDS[kind])
        axes.bar_label(bars, fmt="%.0f", padding=2, fontsize=7)
    axes.set_yticks(range(len(found)), [next(iter(by_kind.values()))["title"]
                                        for by_kind in found.values()], fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_title(f"memory for each cached answer, {result['names']} names", loc="left",
                   fontsize=10)
    axes.set_xlabel("bytes, all overhead included")
    axes.legend(fontsize=8, loc="upper right")
    axes.grid(axis="x", alpha=0.3)


def _draw_churn(axes, lines):
    before = lines[0]["rss"]
    puts = [line["inserts"] / 1e6 for line in lines]
    axes.plot(puts, [(line["rss"] - before) / MIB for line in lines], label="RSS added",
              linewidth=1.5)
    axes.step(puts, [line["limit"] / MIB for line in lines], where="post", label="limit",
              linewidth=1, linestyle="--", color="black")
    for line in lines:
        if line["phase"] in ("limit a quarter", "limit raised", "all dropped"):
            axes.axvline(line["inserts"] / 1e6, color="grey", linewidth=0.7, linestyle=":")
            axes.text(line["inserts"] / 1e6, 0.6 * axes.get_ylim()[1], line["phase"], rotation=90,
                      va="center", ha="right", fontsize=7)
    axes.set_ylim(bottom=0)
    axes.set_title("freshet's store: 24 hours of churn, then less", loc="left", fontsize=10)
    axes.set_xlabel("million puts")
    axes.set_ylabel("MiB")
    axes.legend(fontsize=8, loc="lower left")
    axes.grid(alpha=0.3)


def picture(result, path):
    drawings = [(_draw_answers, result)] if result["rows"] else []
    if "churn" in result:
        drawings.append((lambda axes, given: _draw_churn(axes, given["churn"]), result))
    if not drawings:
        return
    rows = len(_servers(result["rows"]))
    figure, axes = html_page.plt.subplots(1, len(drawings), squeeze=False,
                                figsize=(6.5 * len(drawings), max(3.6, 0.7 * rows)))
    for place, (draw, given) in zip(axes[0], drawings):
        draw(place, given)
    figure.tight_layout()
    html_page.save(figure, path)


def write(result, directory):
    """All three, and the text on the terminal."""
    shown = text(result)
    print(f"\n{shown}\n")
    with open(os.path.join(directory, "result.json"), "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
    with open(os.path.join(directory, "memory.md"), "w", encoding="utf-8") as file:
        file.write(shown + "\n")
    picture(result, os.path.join(directory, "memory.svg"))
