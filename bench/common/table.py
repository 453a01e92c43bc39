"""Rows of text as tables, and numbers for readers."""


def widths(rows):
    return [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]


def grid(rows, indent="  "):
    """Columns as wide as needed, the first to the left, the others to the right."""
    first, *others = widths(rows)
    return "\n".join((indent + row[0].ljust(first) + "".join(
        "  " + text.rjust(width) for text, width in zip(row[1:], others))).rstrip() for row in rows)


def markdown(rows):
    """The same in Markdown, which also reads well on a terminal; the first row is the head."""
    first, *others = widths(rows)
    rule = ["-" * first, *["-" * (width - 1) + ":" for width in others]]
    return "\n".join("| " + " | ".join([row[0].ljust(first), *[
        text.rjust(width) for text, width in zip(row[1:], others)]]) + " |" for row in [rows[0], rule, *rows[1:]])


def shown(value, form="{:,.0f}"):
    return "-" if value is None else form.format(value)


def multiple(ratio):
    """1.14 -> "1.14 x", 960123 -> "960,000 x"."""
    return f"{ratio:.3g} x" if ratio < 100 else f"{float(f'{ratio:.2g}'):,.0f} x"


def without_empty_columns(rows):
    """Those in which nothing stands below the head go."""
    kept = [k for k in range(len(rows[0])) if k == 0 or any(row[k] not in ("", "-") for row in rows[1:])]
    return [[row[k] for k in kept] for row in rows]


def time(us):
    """Microseconds for a reader: three digits and a unit."""
    if us is None:
        return "later"
    if us < 1000:
        return f"{us:.0f} us"
    if us < 1e6:
        return f"{us / 1000:.3g} ms"
    return f"{us / 1e6:.3g} s" if us < 60e6 else f"{us / 60e6:.3g} min"
