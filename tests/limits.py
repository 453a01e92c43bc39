#!/usr/bin/python3
"""Every counter stands in docs/limits.md: in the table if it counts a refusal, a drop or a limit, else among the others.

And what the table says is logged, some source says.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COUNTER = re.compile(r'"(\w+_total)"')
SAYS = re.compile(r'"(\w+_total)",\s*"[^"]*",\s*\w+\(\w+\),\s*"([^"]*)"')
LINE = re.compile(r'msg=(\\"|")(.*?)\1')


def joined(source):
    """A C file with its string literals put together as the compiler does."""
    return re.sub(r'"\s*\n\s*"', "", source)


def main():
    sources = {path: joined(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "resolver").rglob("*.c"))}
    for folder in ("invalidation", "daemon", "origin"):
        for path in sorted((ROOT / folder).glob("*.c")):
            sources[path] = joined(path.read_text(encoding="utf-8"))
    numbers = "".join(text for path, text in sources.items() if path.name in ("numbers.c", "metrics.c") or path.parent.name == "origin")
    said = dict(SAYS.findall(numbers))
    logged = {words for text in sources.values() for _, words in LINE.findall(text)} | set(said.values())

    text = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    rows = [row.split("|")[1:-1] for row in text.splitlines() if row.startswith("| `")]
    table = {row[0].strip(" `"): row[1] for row in rows}
    others = set(re.findall(r"`(\w+_total)`", text.partition("no limit:")[2]))

    complaints = []
    for counter in sorted(set(COUNTER.findall(numbers))):
        if counter not in table and counter not in others:
            complaints.append(f"{counter} is missing")
        if counter in said and f'msg="{said[counter]}"' not in table.get(counter, ""):
            complaints.append(f"{counter} is logged as {said[counter]!r}")
    for counter in sorted((set(table) | others) - set(COUNTER.findall(numbers))):
        complaints.append(f"{counter} is counted nowhere")
    for counter, cell in table.items():
        for _, words in LINE.findall(cell):
            if words not in logged:
                complaints.append(f"{counter}: nobody logs {words!r}")
    for row in rows:
        if len(row) != 4:
            complaints.append(f"{row[0].strip()}: a row of {len(row)} cells")
    for complaint in complaints:
        print(f"docs/limits.md: {complaint}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
