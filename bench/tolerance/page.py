"""The table, as text, as a page and as a picture."""

import dataclasses
import json
import os

import paths
import catalogue
import freshet
import html_page
import table
import verdicts
from asking import BAD, FALSE, GOOD

COLOURS = {GOOD: "#d7ecd9", BAD: "#fbe3c0", FALSE: "#f2b8b5"}
LINE = 0.17  # inches


def rows(cases, keys, results, titles):
    return [["input", *(titles[key] for key in keys)], *(
        [case.title, *(results[case][key].shown() for key in keys)] for case in cases)]


def behind(cases, keys, results, titles):
    """Lines of text: where the first is worse than the best, and how often each is."""
    found = {key: {case: why for case in cases if (why := verdicts.worse(results[case], key))} for key in keys}
    first = keys[0]
    return [f"{titles[first]} is worse than the best of the others in {len(found[first])} of {len(cases)}:",
            *(f"  {case.title}: {why}" + (f" ({catalogue.WHY[case.title]})" if case.title in catalogue.WHY else "")
              for case, why in found[first].items()),
            "worse than the best of the others: " + ", ".join(f"{titles[key]} {len(found[key])}" for key in keys)]


def draw(cases, keys, results, titles):
    """One row a case: green is right, orange is no answer, red is what is not so."""
    height = LINE * (len(cases) + 3)
    figure, plot = html_page.plt.subplots(figsize=(11, height))
    plot.set(xlim=(0, len(keys) + 1.9), ylim=(len(cases), -1))
    plot.axis("off")
    for column, key in enumerate(keys):
        plot.text(column + 1.95, -0.5, titles[key], fontsize=8, weight="bold", va="center")
    for row, case in enumerate(cases):
        plot.text(0, row + 0.5, case.title, fontsize=7, va="center")
        for column, key in enumerate(keys):
            one = results[case][key]
            plot.add_patch(html_page.plt.Rectangle((column + 1.9, row), 0.98, 0.92, color=COLOURS[one.verdict], lw=0))
            plot.text(column + 1.93, row + 0.5, one.shown(), fontsize=6.5, va="center")
    return figure


def write(cases, keys, results, titles):
    """Into the build's directory."""
    directory = os.path.join(paths.ROOT, freshet.build_directory(), "tolerance")
    os.makedirs(directory, exist_ok=True)
    lines, summary = rows(cases, keys, results, titles), behind(cases, keys, results, titles)
    text = table.markdown(lines) + "\n\n- a failure where there is an answer   ! what is not so\n\n" + "\n".join(summary) + "\n"
    print("\n" + text)
    with open(os.path.join(directory, "tolerance.txt"), "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(directory, "tolerance.json"), "w", encoding="utf-8") as file:
        json.dump([{"group": case.group, "name": case.name, "sentence": case.sentence, "results": {
            key: dataclasses.asdict(one) for key, one in results[case].items()}} for case in cases], file, indent=1)
    html_page.write(os.path.join(directory, "tolerance.html"), "Odd servers, networks and clients", [
        "<h1>Odd servers, networks and clients</h1>", "<p>What a client was told, and after how long; - marks a failure where there is an answer, ! what is not so.</p>",
        html_page.table([["input", "what it is", *lines[0][1:]], *(
            [line[0], case.sentence, *line[1:]] for case, line in zip(cases, lines[1:]))]),
        "<pre>" + "\n".join(summary) + "</pre>"])
    html_page.save(draw(cases, keys, results, titles), os.path.join(directory, "tolerance.svg"))
