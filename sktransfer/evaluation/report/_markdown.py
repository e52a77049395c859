"""A report as a Markdown file, beside the pictures that it shows."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import singledispatch
from html import escape
from pathlib import Path
from urllib.parse import quote

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
    Table,
)

__all__ = ["write_markdown"]

# An underscore within a word is no emphasis, and names have many of them.
SPECIAL = re.compile(r"[\\`*\[\]|~$#]|(?<!\w)_|_(?!\w)")


def write_markdown(record: Record, document: Document) -> Path:
    """Write a report as ``report.md`` into the folder of its record.

    Parameters
    ----------
    record : Record
        Of the run that the report is about.
    document : Document
        The report; its pictures are files in the folder of the record.

    Returns
    -------
    Path
        The file.
    """
    path = record.folder / "report.md"
    parts = [f"# {_text(document.title)}", *_written(document.introduction, path.parent)]
    for section in document.sections:
        parts += [f"## {_text(section.title)}", *_written(section.blocks, path.parent)]
    with replacing(path) as unfinished:
        unfinished.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def _written(blocks: Sequence[Block], folder: Path) -> list[str]:
    return [_markdown(block, folder) for block in blocks]


def _text(text: str) -> str:
    """Write text in one line, such that nothing in it is taken for Markdown or HTML."""
    return SPECIAL.sub(r"\\\g<0>", escape(" ".join(text.split()), quote=False))


@singledispatch
def _markdown(block: Block, folder: Path) -> str:
    """Write a block; pictures are named as seen from the folder."""
    raise TypeError(f"no Markdown for {block!r}")


@_markdown.register
def _(block: Paragraph, folder: Path) -> str:
    return _text(block.text)


@_markdown.register
def _(block: Bullets, folder: Path) -> str:
    return "\n".join(f"- {_text(item)}" for item in block.items)


@_markdown.register
def _(block: Table, folder: Path) -> str:
    rules = ["---:" if name in block.numeric else "---" for name in block.columns]
    rows = [[_text(text) for text in row] for row in (block.columns, *block.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], rules, *rows[1:]))


@_markdown.register
def _(block: Picture, folder: Path) -> str:
    path = quote(os.path.relpath(block.path, folder).replace(os.sep, "/"))
    caption = f"\n\n{_text(block.caption)}" if block.caption else ""
    return f"![{_text(block.alt)}]({path}){caption}"


@_markdown.register
def _(block: Gallery, folder: Path) -> str:
    return "\n\n".join(_written(block.pictures, folder))


@_markdown.register
def _(block: Code, folder: Path) -> str:
    runs = [len(run) for run in re.findall("`+", block.text)]
    fence = "`" * max([3, *(run + 1 for run in runs)])  # longer than any in the text
    return f"{fence}text\n{block.text.rstrip()}\n{fence}"


@_markdown.register
def _(block: Details, folder: Path) -> str:
    inner = "\n\n".join(_written(block.blocks, folder))
    summary = escape(" ".join(block.summary.split()))
    return f"<details>\n<summary>{summary}</summary>\n\n{inner}\n\n</details>"
