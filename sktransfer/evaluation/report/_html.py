"""A report as one HTML file that needs no other file, no network and no script."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import singledispatch
from html import escape
from pathlib import Path
from string import Template

from sktransfer._replacing import replacing
from sktransfer.evaluation._record import Record
from sktransfer.evaluation.report._blocks import (
    Block,
    Bullets,
    Code,
    Details,
    Document,
    Gallery,
    Paragraph,
    Picture,
    Section,
    Table,
)

__all__ = ["write_html"]

# The policy would stop a script that slipped through the escaping of names and messages.
PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>
$style
</style>
</head>
<body>
<main>
<h1>$title</h1>
$introduction
<nav aria-label="Contents"><ul>
$contents
</ul></nav>
$sections
</main>
</body>
</html>
""")
STYLE = """\
:root { color-scheme: light; }
body { margin: 0; background: #fff; color: #1a1a1a; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; font-size: 1.3rem; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.3rem 1.2rem; padding: 0; list-style: none; }
a { color: #00558a; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums;
 overflow-wrap: normal; }
th, td { padding: 0.3rem 0.7rem; border-bottom: 1px solid #ddd; text-align: left;
 vertical-align: top; }
th { border-bottom: 2px solid #888; vertical-align: bottom; }
th.number, td.number { text-align: right; }
td.number { white-space: nowrap; }
figure { margin: 1rem 0; }
figure img { max-width: 100%; height: auto; }
figcaption { color: #444; font-size: 0.9rem; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 1rem; }
.gallery figure { margin: 0; }
.gallery img { width: 8rem; height: 8rem; object-fit: contain; image-rendering: pixelated; }
details { margin: 0.7rem 0; padding: 0.4rem 0.8rem; border: 1px solid #ccc; border-radius: 4px; }
summary { cursor: pointer; }
pre { overflow-x: auto; padding: 0.7rem; background: #f4f4f4; font-size: 0.85rem;
 overflow-wrap: normal; }
@media print {
 main { max-width: none; padding: 0; }
 nav { display: none; }
 pre { white-space: pre-wrap; }
 .scroll { overflow: visible; }
 figure, tr { break-inside: avoid; }
 h2 { break-after: avoid; }
}"""


def write_html(record: Record, document: Document) -> Path:
    """Write a report as ``report.html`` into the folder of its record.

    Parameters
    ----------
    record : Record
        Of the run that the report is about.
    document : Document
        The report; its pictures are files, which become part of the page.

    Returns
    -------
    Path
        The file.
    """
    path = record.folder / "report.html"
    numbered = list(enumerate(document.sections, start=1))
    page = PAGE.substitute(
        title=escape(document.title),
        style=STYLE,
        introduction=_joined(document.introduction),
        contents="\n".join(
            f'<li><a href="#section-{number}">{escape(section.title)}</a></li>'
            for number, section in numbered
        ),
        sections="\n".join(_section(number, section) for number, section in numbered),
    )
    with replacing(path) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    return path


def _section(number: int, section: Section) -> str:
    """Write a section, to which the contents refer."""
    return (
        f'<section id="section-{number}">\n<h2>{escape(section.title)}</h2>\n'
        f"{_joined(section.blocks)}\n</section>"
    )


def _joined(blocks: Sequence[Block]) -> str:
    return "\n".join(map(_html, blocks))


@singledispatch
def _html(block: Block) -> str:
    """Write a block; whatever is not written here is escaped."""
    raise TypeError(f"no HTML for {block!r}")


@_html.register
def _(block: Paragraph) -> str:
    return f"<p>{escape(block.text)}</p>"


@_html.register
def _(block: Bullets) -> str:
    items = "\n".join(f"<li>{escape(item)}</li>" for item in block.items)
    return f"<ul>\n{items}\n</ul>"


@_html.register
def _(block: Table) -> str:
    styles = [' class="number"' if name in block.numeric else "" for name in block.columns]
    head = "".join(
        f'<th scope="col"{style}>{escape(name)}</th>'
        for name, style in zip(block.columns, styles, strict=True)
    )
    rows = "\n".join(
        "<tr>"
        + "".join(
            f"<td{style}>{escape(text)}</td>" for text, style in zip(row, styles, strict=True)
        )
        + "</tr>"
        for row in block.rows
    )
    # A table that is wider than a phone is moved in its own frame, and by the keyboard, too.
    return (
        '<div class="scroll" role="region" aria-label="Table" tabindex="0">\n<table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</div>"
    )


@_html.register
def _(block: Picture) -> str:
    caption = f"<figcaption>{escape(block.caption)}</figcaption>" if block.caption else ""
    return f'<figure><img src="{_data(block.path)}" alt="{escape(block.alt)}">{caption}</figure>'


@_html.register
def _(block: Gallery) -> str:
    return f'<div class="gallery">\n{_joined(block.pictures)}\n</div>'


@_html.register
def _(block: Code) -> str:
    return f"<pre><code>{escape(block.text)}</code></pre>"


@_html.register
def _(block: Details) -> str:
    summary = f"<summary>{escape(block.summary)}</summary>"
    return f"<details>\n{summary}\n{_joined(block.blocks)}\n</details>"


def _data(png: Path) -> str:
    """Return a picture as a part of the page; a chart as SVG, which is sharp at any size."""
    svg = png.with_suffix(".svg")
    path, kind = (svg, "svg+xml") if svg.exists() else (png, "png")
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
