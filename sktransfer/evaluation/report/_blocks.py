"""What a report is made of, before it is written as one format or another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Block",
    "Bullets",
    "Code",
    "Details",
    "Document",
    "Gallery",
    "Paragraph",
    "Picture",
    "Section",
    "Table",
]


@dataclass(frozen=True)
class Paragraph:
    """A few sentences."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list without order."""

    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """Rows of text below the names of columns."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[str] = frozenset()
    """Columns of numbers, which are aligned on the right."""


@dataclass(frozen=True)
class Picture:
    """A picture in a file."""

    path: Path
    """A PNG file; of a chart there is an SVG file of the same name beside it."""
    alt: str
    """What it shows, for those who do not see it."""
    caption: str = ""


@dataclass(frozen=True)
class Gallery:
    """Small pictures side by side."""

    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Code:
    """Text that is to be shown as it is."""

    text: str


@dataclass(frozen=True)
class Details:
    """What is shown when it is asked for."""

    summary: str
    blocks: Sequence[Block]


Block = Paragraph | Bullets | Table | Picture | Gallery | Code | Details


@dataclass(frozen=True)
class Section:
    """Blocks below a heading."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """A whole report."""

    title: str
    introduction: Sequence[Block]
    sections: Sequence[Section]
