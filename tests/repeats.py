#!/usr/bin/python3
"""No six equal lines in two places of bench/: what two programs need is in bench/common.

White space does not count, nor do blank lines, comments, imports, and lines of punctuation alone.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RUN = 6  # lines
THIN = re.compile(r"^(#include\b.*|import\b.*|from\b.*|/\*.*|\*.*|//.*|# .*|\W*|else|return\W*\w*;?|break;)$")


def lines(path):
    """(number, text) of those that count."""
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        folded = " ".join(text.split())
        if not THIN.match(folded):
            yield number, folded


def main():
    seen, found = {}, []
    for path in sorted((ROOT / "bench").rglob("*")):
        if path.suffix not in (".c", ".h", ".py"):
            continue
        counted = list(lines(path))
        for at in range(len(counted) - RUN + 1):
            run = tuple(text for _, text in counted[at:at + RUN])
            here = (path.relative_to(ROOT), counted[at][0])
            there = seen.setdefault(run, here)
            if there != here and there[0] != here[0]:
                found.append(f"{there[0]}:{there[1]} stands again at {here[0]}:{here[1]}")
    if found:
        sys.exit("\n".join(["repeats:", *found]))
    print("repeats: ok")


if __name__ == "__main__":
    main()
