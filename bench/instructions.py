"""instructions.py - instructions of a cache hit (hit.c) or of a change (change.c), compared with the committed baseline.

    bench/instructions.py build/hit            compare; more than 5 % over bench/hit.baseline fails
    bench/instructions.py build/hit --update   write the baseline anew: a line for review
    bench/instructions.py build/hit --zones 1000000     the same with so many other zones

Runs the program under callgrind, which counts the same whatever else the machine is doing. Each compiler makes
something else of the code, so a baseline is of one, which it names; with another the counts are shown, and no more.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

ALLOWED = 1.05


def count(program, *arguments):
    """{part: instructions for each query or change}, in the program's order."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "callgrind"
        run = subprocess.run(
            ["valgrind", "--tool=callgrind", "--collect-atstart=no", f"--callgrind-out-file={out}", program, *arguments],
            capture_output=True, text=True, check=False)
        if run.returncode != 0:
            sys.exit(f"{program}: exit status {run.returncode}\n{run.stdout}{run.stderr}")
        numbers = dict(line.split() for line in run.stdout.splitlines())
        totals = {}
        for dump in pathlib.Path(folder).iterdir():
            text = dump.read_text()
            part = re.search(r"^desc: Trigger: Client Request: (\w+)$", text, re.MULTILINE)
            total = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
            if part and total:
                totals[part[1]] = int(total[1])
    return {part: totals[part] / int(number) for part, number in numbers.items()}


def compiler():
    """Such as "gcc 12"."""
    version = subprocess.run(["gcc", "-dumpversion"], capture_output=True, text=True, check=True).stdout
    return "gcc " + version.split(".")[0].strip()


def baseline_of(program):
    return pathlib.Path(__file__).with_name(pathlib.Path(program).name + ".baseline")


def is_of(path, other):
    """Whether the baseline is that of a compiler."""
    return f", {other}:" in path.read_text().partition("\n")[0]


def read_baseline(path):
    lines = (line.split() for line in path.read_text().splitlines() if not line.startswith("#"))
    return {part: float(number) for part, number in lines}


def update(path, counts):
    path.write_text(f"# Instructions each, {compiler()}: bench/instructions.py build/{path.stem} --update\n"
                    + "".join(f"{part} {number:.0f}\n" for part, number in counts.items()))


def compare(counts, baseline):
    """Prints a line per part; the parts that are over."""
    over = []
    for part, number in counts.items():
        before = baseline.get(part)
        if before is None or number > before * ALLOWED:
            over.append(part)
        change = "new" if before is None else f"{100 * (number / before - 1):+.1f} %"
        print(f"  {part:<14}{number:>6.0f} instructions each, baseline {before or 0:.0f} ({change})")
    return over


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--zones", default="0")
    arguments = parser.parse_args()
    counts = count(arguments.program, *([arguments.zones] if arguments.zones != "0" else []))
    path = baseline_of(arguments.program)
    if arguments.update:
        update(path, counts)
    over = compare(counts, read_baseline(path))
    if not is_of(path, compiler()):
        print(f"The baseline is not that of {compiler()}: nothing is held against it.")
        return
    if over:
        sys.exit(f"FAILED: more than 5 % over the baseline: {', '.join(over)}")
    print(f"[  PASSED  ] {len(counts)} instruction counts within 5 % of the baseline")


main()
