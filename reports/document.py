"""Content of a report as frozen data, without HTML or markdown. Every renderer shows the same document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Media = Literal["image/png", "image/svg+xml"]
Tone = Literal["plain", "muted", "strong", "better", "clearly-better", "bad"]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image and its alternative text."""

    data: bytes
    media: Media
    alt: str
    pixelated: bool = False  # enlarge without smoothing
    grouped: bool = False  # an SVG with a group for each entry (`data-entry`) that a page can hide

    @property
    def suffix(self) -> str:
        """The suffix of a file name."""
        return {"image/png": ".png", "image/svg+xml": ".svg"}[self.media]


@dataclass(frozen=True, kw_only=True)
class Text:
    """A paragraph. A lead is the answer of its section. A renderer shows a note in small print and highlights a warning."""

    text: str
    tone: Literal["body", "lead", "note", "warning"] = "body"


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of a table. Its text is complete. A picture shows the same content."""

    text: str
    tone: Tone = "plain"
    detail: str = ""  # a second, smaller line
    colour: str = ""  # "#rrggbb" of the entry it names
    code: bool = False
    mark: str = ""  # refers to a note below the table
    picture: Picture | None = None


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column's heading. Numbers align right. The colour is that of the entry named in the title."""

    title: str
    align: Literal["left", "right", "center"] = "right"
    colour: str = ""

    @property
    def entry(self) -> str:
        """The entry that the column belongs to, or "" if the column belongs to all entries."""
        return self.title if self.colour else ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row with one cell for each column. Renderers show a reference row in another style."""

    cells: tuple[Cell, ...]
    reference: bool = False

    @property
    def entries(self) -> tuple[str, ...]:
        """The entries that the cells of the row name."""
        return tuple(cell.text for cell in self.cells if cell.colour)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of rows under columns. `folded` is the title of a table that starts closed, if the renderer can fold.

    A reader cannot sort the rows of a `fixed` table. On a narrow page, each cell of a `stacked` table is a line under its row's title."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    caption: str = ""
    notes: tuple[str, ...] = ()
    folded: str = ""
    fixed: bool = False
    stacked: bool = False
    axis: Picture | None = None  # the shared scale of the pictures in the cells


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One picture at full width."""

    id: str
    caption: str
    picture: Picture


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A picture in a gallery. The colour is that of the entry named in the title."""

    title: str
    picture: Picture
    colour: str = ""
    detail: str = ""

    @property
    def entry(self) -> str:
        """The entry that it belongs to, or "" if it belongs to none."""
        return self.title if self.colour else ""


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Pictures side by side, as many as fit in a line. `tile_width` is in CSS pixels.

    `film` is the id of a filmstrip with the same tiles earlier in training."""

    id: str
    caption: str
    tiles: tuple[Tile, ...]
    tile_width: int = 300
    film: str = ""

    @property
    def photos(self) -> bool:
        """Return whether the tiles are images without text, which may be small."""
        return all(tile.picture.media == "image/png" for tile in self.tiles)


@dataclass(frozen=True, kw_only=True)
class Strip:
    """A row of a filmstrip, with None for a missing picture. The colour is that of the entry named in the title."""

    title: str
    pictures: tuple[Picture | None, ...]
    colour: str = ""

    @property
    def entry(self) -> str:
        """The entry that it belongs to, or "" if it belongs to none."""
        return self.title if self.colour else ""


@dataclass(frozen=True, kw_only=True)
class Filmstrip:
    """Rows of pictures under shared column titles, e.g. evaluation points. `tile_width` is in CSS pixels."""

    id: str
    caption: str
    columns: tuple[str, ...]
    strips: tuple[Strip, ...]
    tile_width: int = 150


Block: TypeAlias = Text | Heading | Table | Figure | Gallery | Filmstrip


@dataclass(frozen=True, kw_only=True)
class Section:
    """A titled part of the report. The table of contents links to its id."""

    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One fact at the top of the report."""

    label: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group of entries that a reader shows or hides together, in the whole page."""

    name: str
    entries: tuple[str, ...]
    colours: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Document:
    """A report. `left_out` names the sections without data. A whole report replaces a provisional one, and never the other way round."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    facts: tuple[Fact, ...] = ()
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    provisional: bool = False
