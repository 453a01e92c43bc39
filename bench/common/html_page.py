"""Pages that need nothing besides themselves, and pictures; plots are drawn by matplotlib as SVG."""

import html
import io
import re

import matplotlib

matplotlib.use("svg")
# Text stays text: a picture is a third of the size, and can be searched.
matplotlib.rcParams.update({"svg.fonttype": "none", "font.sans-serif": ["DejaVu Sans"]})

import matplotlib.pyplot as plt  # noqa: E402  pylint: disable=wrong-import-position

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 15px/1.55 sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px; }}
td, th {{ padding: .2rem .7rem; text-align: right; }} .wide {{ overflow-x: auto; }}
td + td {{ white-space: nowrap; }} td:first-child, th:first-child {{ text-align: left; min-width: 11rem; }} tr {{ border-bottom: 1px solid #dde1e6; }}
pre {{ background: #f6f6f6; padding: .7rem; overflow-x: auto; font-size: 12.5px; }}
svg {{ max-width: 100%; height: auto; }} .note {{ color: #55606b; font-size: 14px; }}
.verdict {{ font-size: 18px; border-left: 4px solid #0b5fa5; padding-left: .8rem; }}
.missed {{ color: #a8201a; font-weight: 600; }} .met {{ color: #1b6e3c; font-weight: 600; }}
@media (max-width: 45rem) {{ .wide svg {{ max-width: none; width: 42rem; }} }}
@media (prefers-color-scheme: dark) {{
  body {{ background: #14181d; color: #dfe5ea; }} tr {{ border-color: #343c45; }} .note {{ color: #9aa6b2; }}
  pre {{ background: #20262d; }} svg {{ background: #fff; border-radius: 6px; padding: .4rem; box-sizing: border-box; }}
  .missed {{ color: #ff8a80; }} .met {{ color: #7fd49a; }}
}}
</style></head><body>
{body}
</body></html>
"""


def axes(title, size, **settings):
    """A figure with one plot."""
    figure, plot = plt.subplots(figsize=size)
    plot.set_title(title, loc="left", fontsize=10)
    plot.set(**settings)
    plot.grid(alpha=0.3, linewidth=0.6)
    plot.spines[["top", "right"]].set_visible(False)
    return figure, plot


def compact(text):
    """An SVG with a line for each plot and axis, and with no more digits than can be seen."""
    text = re.sub(r"\s*\n\s*", " ", text).replace("> <", "><")
    text = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), text)
    return re.sub(r'(<g id="(?:axes|matplotlib\.axis)|</svg>)', r"\n\1", text) + "\n"


def svg(figure, **options):
    """Its text, to stand in a page."""
    out = io.StringIO()
    figure.savefig(out, format="svg", **(options or {"bbox_inches": "tight"}))
    plt.close(figure)
    return compact(re.sub(r"^.*?(?=<svg)", "", out.getvalue(), flags=re.S))


def save(figure, path):
    with open(path, "w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n' + svg(figure, metadata={"Date": None}))


def table(rows):
    """The first row is the head; of "met" and "MISSED" it is seen which."""
    def line(row, kind):
        marks = {"met": ' class="met"', "MISSED": ' class="missed"'}  # by the first word
        return "<tr>" + "".join(f"<{kind}{marks.get(text.partition(' ')[0], '')}>{html.escape(text)}</{kind}>" for text in row) + "</tr>"
    if len(rows) < 2:
        return ""
    return f'<div class="wide"><table>{line(rows[0], "th")}{"".join(line(row, "td") for row in rows[1:])}</table></div>'


def write(path, title, parts):
    with open(path, "w", encoding="utf-8") as file:
        body = [f'<div class="wide">{part}</div>' if part.startswith("<svg") else part for part in parts]
        file.write(PAGE.format(title=title, body="\n".join(body)))
