"""What a report says, as frozen data: no HTML and no markdown. Every renderer shows the same document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Media = Literal["image/png", "image/svg+xml"]
Tone = Literal["plain", "muted", "strong", "better", "clearly-better", "bad"]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image and the words that stand for it."""

    data: bytes
    media: Media
    alt: str
    pixelated: bool = False  # enlarge without smoothing
    grouped: bool = False  # an SVG with a group for each entry (`data-entry`), which a page may hide

    @property
    def suffix(self) -> str:
        """The end of a file name."""
        return {"image/png": ".png", "image/svg+xml": ".svg"}[self.media]


@dataclass(frozen=True, kw_only=True)
class Text:
    """A paragraph: a lead is the section's answer, a note small print, a warning must not be overlooked."""

    text: str
    tone: Literal["body", "lead", "note", "warning"] = "body"


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell: its text always says everything; a picture, where there is one, shows the same."""

    text: str
    tone: Tone = "plain"
    detail: str = ""  # a second, smaller line
    colour: str = ""  # "#rrggbb" of the entry it names
    code: bool = False
    mark: str = ""  # of a note under the table
    picture: Picture | None = None


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column's heading; numbers go to the right. A colour is that of the entry that the title names."""

    title: str
    align: Literal["left", "right", "center"] = "right"
    colour: str = ""

    @property
    def entry(self) -> str:
        """The entry that the column is of; empty where it is of all."""
        return self.title if self.colour else ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """Cells, one a column; a reference row is set apart."""

    cells: tuple[Cell, ...]
    reference: bool = False

    @property
    def entries(self) -> tuple[str, ...]:
        """The entries that the row is of: those that its cells name."""
        return tuple(cell.text for cell in self.cells if cell.colour)


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under columns. `folded` is the title under which it starts closed, where the renderer can fold; `fixed` rows make no sense in another order."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    caption: str = ""
    notes: tuple[str, ...] = ()
    folded: str = ""
    fixed: bool = False
    axis: Picture | None = None  # the scale that the pictures in the cells share


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One picture at full width."""

    id: str
    caption: str
    picture: Picture


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A picture in a gallery. A colour is that of the entry that the title names."""

    title: str
    picture: Picture
    colour: str = ""
    detail: str = ""

    @property
    def entry(self) -> str:
        """The entry that it is of; empty where it is of none."""
        return self.title if self.colour else ""


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Pictures side by side, as many in a line as fit. `tile_width` is in CSS pixels, `film` the id of a filmstrip that shows the same earlier."""

    id: str
    caption: str
    tiles: tuple[Tile, ...]
    tile_width: int = 300
    film: str = ""

    @property
    def photos(self) -> bool:
        """Whether the tiles are images without words, which may be small."""
        return all(tile.picture.media == "image/png" for tile in self.tiles)


@dataclass(frozen=True, kw_only=True)
class Strip:
    """One line of a filmstrip; None where a picture is missing. A colour is that of the entry that the title names."""

    title: str
    pictures: tuple[Picture | None, ...]
    colour: str = ""

    @property
    def entry(self) -> str:
        """The entry that it is of; empty where it is of none."""
        return self.title if self.colour else ""


@dataclass(frozen=True, kw_only=True)
class Filmstrip:
    """Lines of pictures under shared column titles, e.g. marks of training. `tile_width` is in CSS pixels."""

    id: str
    caption: str
    columns: tuple[str, ...]
    strips: tuple[Strip, ...]
    tile_width: int = 150


Block: TypeAlias = Text | Heading | Table | Figure | Gallery | Filmstrip


@dataclass(frozen=True, kw_only=True)
class Section:
    """A titled part of the report, reached from the contents by its id."""

    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One of the few things to know before reading on."""

    label: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """Entries that a reader shows or hides together, everywhere at once."""

    name: str
    entries: tuple[str, ...]
    colours: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Document:
    """A whole report. `left_out` names the sections for which there was no data."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    facts: tuple[Fact, ...] = ()
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
