"""Hash of the source behind `module:OBJECT`. It replaces the version number that authors of registered objects set by hand.

The hash covers the module and all modules of the same folder that it imports, directly or indirectly. It leaves out installed
packages. It also leaves out ganbench's packages, unless the object itself is in one of them.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from bench.core.errors import UserError, one_line

PACKAGES = ("bench", "variants", "studies", "reports")
INSTALLED = ("site-packages", "dist-packages")  # folders of unrelated packages
_CACHE: dict[str, tuple[ModuleSpec, str | None]] = {}  # by module, with its spec, because a reloaded module has another one


def source_hash(name: str) -> str | None:
    """Return the hash of the source behind `module:OBJECT`, or None if some of that source cannot be read.

    The module must be imported already. Comments, formatting, docstrings, unused imports and the order of imports do not change the hash.
    """
    module = name.partition(":")[0]
    spec = getattr(sys.modules.get(module), "__spec__", None)
    if spec is None:  # defined in a shell or by other code
        return None
    if module not in _CACHE or _CACHE[module][0] is not spec:
        _CACHE[module] = (spec, _hash(module))
    return _CACHE[module][1]


def _hash(module: str) -> str | None:
    folder = _Folder(module.partition(".")[0])
    trees: dict[str, Any] = {}
    pending = [*_with_parents(module)]
    while pending:
        name = pending.pop()
        if name in trees or (spec := folder.find(name)) is None:
            continue
        source = _source(spec)
        if source is None:
            return None
        tree = _parsed(source, name)
        trees[name] = _shape(tree)
        pending += _imported(tree, name, is_package=spec.submodule_search_locations is not None)
    return hashlib.sha256(json.dumps(trees, sort_keys=True).encode()).hexdigest()[:16] if module in trees else None


class _Folder:
    """Finder of modules beside and within a top-level module. It imports none of them."""

    def __init__(self, top: str) -> None:
        self._specs: dict[str, ModuleSpec | None] = {top: getattr(sys.modules.get(top), "__spec__", None)}
        own = self._specs[top]
        places = [own.origin] if own and own.origin and own.has_location else list((own and own.submodule_search_locations) or ())
        self._roots = [str(root) for place in places if not _is_library(root := _root(place))]

    def find(self, name: str) -> ModuleSpec | None:
        """Return the spec of a module of this folder, or None if it has no such module."""
        if name not in self._specs:
            self._specs[name] = self._search(name)
        return self._specs[name]

    def _search(self, name: str) -> ModuleSpec | None:
        parent = name.rpartition(".")[0]
        if not parent:
            return None if name in PACKAGES else PathFinder.find_spec(name, self._roots)
        package = self.find(parent)
        locations = package and package.submodule_search_locations
        return PathFinder.find_spec(name, list(locations)) if locations else None


def _root(place: str) -> Path:
    """Return the folder or archive of the module search path that contains a top-level module or package."""
    path = Path(place)
    return path.parent.parent if path.name.startswith("__init__.") else path.parent


def _is_library(root: Path) -> bool:
    """Return whether a folder contains installed packages or the standard library."""
    return root.name in INSTALLED or str(root) in (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))


def _source(spec: ModuleSpec) -> str | None:
    """Return the source of a module, or None for a compiled module."""
    if get_source := getattr(spec.loader, "get_source", None):
        try:
            found: str | None = get_source(spec.name)
        except (ImportError, SyntaxError, UnicodeError):  # the loader cannot read the source as text
            return None
        return found
    if spec.origin and spec.has_location and spec.origin.endswith(".py"):
        return importlib.util.decode_source(Path(spec.origin).read_bytes())
    return None


def _parsed(source: str, name: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise UserError(f"the module {name!r}, which your code imports, cannot be parsed: {one_line(error)}; correct its syntax") from error


def _imported(tree: ast.Module, name: str, *, is_package: bool) -> Iterator[str]:
    """Yield the names of the modules that a module imports, and of their parents. `from a import b` also gives `a.b`, which need not exist."""
    package = name if is_package else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            for found in (base, *(f"{base}.{alias.name}" for alias in node.names)):
                yield from _with_parents(found)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """Return the absolute name of the module of a `from` import."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[: count + 1]) for count in range(len(parts)))


def _shape(tree: ast.Module) -> Mapping[str, Any]:
    """Return the syntax tree as JSON-able values, without docstrings. It includes only the imports whose names the module uses."""
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    bound = sorted(
        {
            (alias.asname or (alias.name if isinstance(node, ast.ImportFrom) else alias.name.partition(".")[0]), _target(node, alias))
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
    )
    return {"imports": [pair for pair in bound if pair[0] in used or pair[0] == "*"], "code": _values(tree)}


def _target(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    """Return the module or object that an import binds its name to."""
    if isinstance(node, ast.ImportFrom):
        return f"{'.' * node.level}{node.module or ''}:{alias.name}"
    return alias.name if alias.asname else alias.name.partition(".")[0]


def _values(node: Any) -> Any:
    """Return the kind of a node of a syntax tree and its non-empty fields, in a form that is the same in every version of Python."""
    if isinstance(node, list):
        return [_values(part) for part in node if not isinstance(part, ast.Import | ast.ImportFrom)]
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Constant):
        return ["Constant", repr(node.value)]
    fields = {name: _without_docstring(node, name, value) for name, value in ast.iter_fields(node) if value is not None and value != []}
    return [type(node).__name__, *([name, _values(value)] for name, value in fields.items())]


def _without_docstring(node: ast.AST, field: str, value: Any) -> Any:
    documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and field == "body"
    if documented and isinstance(value[0], ast.Expr) and isinstance(value[0].value, ast.Constant) and isinstance(value[0].value.value, str):
        return value[1:]
    return value
