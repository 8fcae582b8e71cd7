"""Registries of variants, datasets, networks and suites by name. Entry points name the catalogues, so every process loads the same ones.

A package adds its own catalogue with an entry point in its pyproject.toml:

    [project.entry-points."ganbench.catalogs"]
    mine = "my_package.my_catalog"

The import of that module registers its entries. Instead of a registered name, users can write `module:OBJECT`. For kinds that
are built from their name, they can write `SCHEME:TEXT`.
"""

from __future__ import annotations

import ast
import fnmatch
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points
from typing import Generic, NamedTuple, TypeVar

from pydantic import ValidationError

from bench.core.errors import UserError, nearest, one_line
from bench.core.source_hash import source_hash

T = TypeVar("T")
GROUP = "ganbench.catalogs"


@cache
def load_catalogs() -> None:
    """Import every installed catalogue once. Raises a UserError that names a catalogue which cannot be imported."""
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            entry.load()
        except ImportError as error:
            raise UserError(f"the catalogue {entry.value!r} cannot be imported: {error}; repair or uninstall its package") from error


def _plain(error: Exception) -> str:
    """Return the text of an error on one line. Of a pydantic error it is the first message."""
    if isinstance(error, ValidationError):
        return one_line(error.errors(include_url=False)[0]["msg"].removeprefix("Value error, "))
    return one_line(error)


class Place(NamedTuple):
    """Record of a line of a source file."""

    file: str
    line: int


def _registered_at() -> Place | None:
    """Return the line of the module under import that registers an item, or None outside an import."""
    frame = sys._getframe(2)
    while (caller := frame.f_back) is not None:
        if frame.f_code.co_name == "<module>" and caller.f_globals.get("__name__") == "importlib._bootstrap":
            return Place(frame.f_code.co_filename, frame.f_lineno)
        frame = caller
    return None


def _bound_at(path: str) -> Place | None:
    """Return the line where the imported module of `module:OBJECT` binds that name, or None if its source does not show it."""
    module, _, attribute = path.partition(":")
    try:
        file, source = inspect.getsourcefile(sys.modules[module]), inspect.getsource(sys.modules[module])
    except (OSError, TypeError):
        return None
    for node in ast.walk(ast.parse(source)):
        bound = {
            getattr(node, "asname", None) or getattr(node, "name", None),
            node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else None,
        }
        if attribute in bound and file:
            return Place(file, node.lineno)  # type: ignore[attr-defined]  # an alias, a name, a class or a function has one
    return None


@dataclass(frozen=True, kw_only=True)
class Scheme(Generic[T]):
    """Builder of items from names. `make` takes the text after the colon, and `name` returns the canonical name of an item."""

    make: Callable[[str], T]
    name: Callable[[T], str]


class Registry(Generic[T]):
    """Table from kebab-case names to objects of one kind."""

    def __init__(self, kind: str, type_: type[T] | None = None) -> None:
        self.kind = kind
        self._type = type_
        self._items: dict[str, T] = {}
        self._aliases: dict[str, str] = {}
        self._schemes: dict[str, Scheme[T]] = {}
        self._places: dict[str, Place | None] = {}

    def register(self, name: str, item: T, *, aliases: tuple[str, ...] = ()) -> T:
        """Add an item. Raises a UserError if the name or an alias is in use."""
        for key in (name, *aliases):
            if key in self._items or key in self._aliases:
                raise UserError(f"there are two {self.kind}s named {key!r}; rename one of them")
        self._items[name] = item
        self._places[name] = _registered_at()
        self._aliases.update(dict.fromkeys(aliases, name))
        return item

    def scheme(self, prefix: str, make: Callable[[str], T], *, name: Callable[[T], str]) -> None:
        """Accept `prefix:TEXT` as a name, too. Raises a UserError if the prefix is in use."""
        if prefix in self._schemes:
            raise UserError(f"there are two ways to make a {self.kind} from {prefix + ':'!r}; rename one of the prefixes")
        self._schemes[prefix] = Scheme(make=make, name=name)

    def get(self, name: str) -> T:
        """Return the item of a name or alias, the item that a scheme builds, or the object of `module:OBJECT`."""
        load_catalogs()
        canonical = self._aliases.get(name, name)
        if canonical in self._items:
            return self._items[canonical]
        prefix, colon, text = name.partition(":")
        if colon and prefix in self._schemes:
            return self._schemes[prefix].make(text)
        if colon:
            return self._imported(name)
        raise UserError(f"unknown {self.kind} {name!r}" + nearest(name, [*self._items, *self._aliases, *self._usages()]))

    def _usages(self) -> list[str]:
        return [f"{prefix}:..." for prefix in self._schemes]

    def _imported(self, path: str) -> T:
        module, _, attribute = path.partition(":")
        try:
            item = getattr(importlib.import_module(module), attribute)
        except Exception as error:  # a user's module may raise anything
            hint = "".join(f"; did you mean '{scheme}:...'?" for scheme in get_close_matches(module, self._schemes, n=1))
            raise UserError(f"{self.kind} {path!r} cannot be imported: {_plain(error)}{hint}") from error
        if self._type is not None and not isinstance(item, self._type):
            raise UserError(f"{path!r} is a {type(item).__name__}, not a {self.kind}; name another object of the module")
        return item

    def canonical(self, name: str) -> str:
        """Return the canonical name of an item. It does not change `module:OBJECT`. Raises a UserError for unknown names."""
        item = self.get(name)
        prefix, colon, _ = name.partition(":")
        if colon and prefix in self._schemes:
            return self._schemes[prefix].name(item)
        return self._aliases.get(name, name)

    def place(self, name: str) -> Place | None:
        """Return the line that registers an item or binds the object of `module:OBJECT`, or None if it is not known."""
        canonical = self.canonical(name)
        prefix, colon, _ = name.partition(":")
        if canonical in self._items:
            return self._places.get(canonical)
        return _bound_at(name) if colon and prefix not in self._schemes else None

    def source(self, name: str) -> str:
        """Return the hash of the source behind `module:OBJECT`. The result is empty for other names, and for unreadable source with a version."""
        prefix, colon, _ = name.partition(":")
        if not colon or name in self._items or prefix in self._schemes:
            return ""
        version = getattr(self.get(name), "version", None)
        found = source_hash(name)
        if found is None and version in (None, 1):
            advice = "" if version is None else ", or set its `version` to 2 or more and raise it whenever results change"
            raise UserError(
                f"{self.kind} {name!r}: its source, or that of a module it imports, cannot be read, so changes are not detected; "
                f"keep it in .py files{advice}"
            )
        return found or ""

    def names(self, pattern: str = "*") -> list[str]:
        """Return the registered names that match a glob, in the order of registration."""
        load_catalogs()
        return [name for name in self._items if fnmatch.fnmatchcase(name, pattern)]

    def __iter__(self) -> Iterator[tuple[str, T]]:
        load_catalogs()
        return iter(list(self._items.items()))
