"""What a case came to for each resolver, and who is worse than whom."""

import dataclasses

import table
from asking import BAD, FALSE, GOOD

RANK = {GOOD: 0, BAD: 1, FALSE: 2}
MARKS = {GOOD: "", BAD: "- ", FALSE: "! "}
SLACK, FACTOR = 0.5, 2  # slower is who takes so many seconds more, and so many times as long


@dataclasses.dataclass
class Result:
    verdict: str
    text: str
    seconds: float

    def shown(self):
        return f"{MARKS[self.verdict]}{self.text} {table.time(self.seconds * 1e6)}"


def judged(told):
    """Of [(question, what was told)]: the worst, and of equals the slowest."""
    counted = [one for question, one in told if question.counted]
    worst = max(counted, key=lambda one: (RANK[one.verdict], one.seconds))
    good = sum(one.verdict == GOOD for one in counted)
    share = "" if good in (0, len(counted)) else f" ({good} of {len(counted)} good)"
    return Result(worst.verdict, counted[0].text if worst.verdict == GOOD else worst.text + share, worst.seconds)


def worse(results, key):
    """Why `key` is worse than the best of the others, or None."""
    mine = results[key]
    best = min((one for other, one in results.items() if other != key),
               key=lambda one: (RANK[one.verdict], one.seconds), default=mine)
    if RANK[mine.verdict] > RANK[best.verdict]:
        return f"{mine.shown()}, where the best has {best.shown()}"
    if mine.verdict == best.verdict == GOOD and mine.seconds > max(FACTOR * best.seconds, best.seconds + SLACK):
        return f"{table.time(mine.seconds * 1e6)}, where the best takes {table.time(best.seconds * 1e6)}"
    return None
