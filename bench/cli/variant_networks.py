"""The networks of a variant as tables: each layer with its shape and its parameters, from the modules as they are built."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import cast

from torch import nn

from bench.cli.places import first_line, place_of, shown
from bench.cli.variant_trace import Shape, Trace, computes_a_weight
from bench.core.spec import Networks
from bench.core.text import pluralise
from bench.training.loop import PlayerState
from reports.document import Block, Cell, Column, Heading, Row, Table, Text


def networks_blocks(networks: Networks, found: Trace, sides: list[PlayerState]) -> Iterator[Block]:
    """The layers of everything that a player moves, and the totals of each player."""
    movers: dict[str, list[str]] = {}
    for side in sides:
        for name in side.player.modules:
            movers.setdefault(name, []).append(side.player.name)
    for name, players in movers.items():
        module = networks.get_submodule(name)
        yield Heading(text=f"{name} ({_name(module)}): {pluralise(_count(module), 'parameter')}, moved by {' and '.join(players)}")
        if name in found.outputs:
            yield Text(text=f"Reads {_shapes(found.inputs[name])}; gives {_shapes(found.outputs[name])}.")
        if words := _words(module):
            yield Text(text=words)
        yield _layers(module, name, found)
    each = "; ".join(f"{side.player.name} moves {sum(p.numel() for p in side.parameters):,}" for side in sides)
    yield Text(text=f"In all {pluralise(_count(networks), 'parameter')}: {each}. Shapes are those of one example, without the batch.")


def _layers(top: nn.Module, prefix: str, found: Trace) -> Table:
    """Layers in the order in which data passes them first, each with the parameters that belong to no layer inside it."""
    paths = {name: ".".join(part for part in (prefix, name) if part) for name, _ in top.named_modules()}
    modules = {name: module for name, module in top.named_modules() if not name or _is_shown(module, paths[name], found)}
    order = {path: index for index, path in enumerate(found.inputs)}
    own = _own_parameters(top, modules)
    described: set[type] = {type(top)}
    rows = []
    for name, module in sorted(modules.items(), key=lambda item: order.get(paths[item[0]], len(order))):
        if not name and not own[name] and len(modules) > 1:
            continue  # what the heading says
        words = "" if type(module) in described else _words(module)
        described.add(type(module))
        cells = (
            Cell(text=name or "(itself)", code=True),
            Cell(text=_kind(module), detail=words),
            Cell(text=_shapes(found.outputs.get(paths[name])), detail="while it grows" if paths[name] in found.growing else ""),
            Cell(text=f"{own[name]:,}" if own[name] else ""),
        )
        rows.append(Row(cells=cells))
    titles = ("layer", "what", "gives", "parameters")
    aligned = tuple(Column(title=title, align="right" if title == "parameters" else "left") for title in titles)
    return Table(columns=aligned, rows=tuple(rows), fixed=True)


def _is_shown(module: nn.Module, path: str, found: Trace) -> bool:
    """Whether a module is a layer, a block or a state: not torch's containers, nor what computes a layer's weight."""
    if computes_a_weight(path) or type(module).__module__ == nn.Sequential.__module__:
        return False
    return path in found.outputs or any(True for _ in (*module.parameters(recurse=False), *module.buffers(recurse=False)))


def _own_parameters(top: nn.Module, modules: Mapping[str, nn.Module]) -> dict[str, int]:
    """Parameters of each shown module that are in none of those inside it; a shared one counts once."""
    own = dict.fromkeys(modules, 0)
    for path, parameter in top.named_parameters():
        parts = path.split(".")[:-1]
        owner = next(name for count in range(len(parts), -1, -1) if (name := ".".join(parts[:count])) in own)
        own[owner] += parameter.numel()
    return own


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _kind(module: nn.Module) -> str:
    """A layer as torch prints it, equal sides of a kernel as one number, else its own weights; what computes a weight stands behind."""
    own = ", ".join(f"{name} {shape(tuple(parameter.shape))}" for name, parameter in module.named_parameters(recurse=False))
    said = re.sub(r"\((\d+)(?:, \1)+\)", r"\1", module.extra_repr()) or own
    chains = cast("nn.ModuleDict", module.parametrizations).values() if nn.utils.parametrize.is_parametrized(module) else ()
    how = sorted({type(step).__name__.strip("_") for chain in chains for step in chain.children()})
    return f"{_name(module)}({said})" + (f" with {', '.join(how)}" if how else "")


def _name(module: nn.Module) -> str:
    """The class of a module, of one whose weight is computed the class before."""
    return nn.utils.parametrize.type_before_parametrizations(module).__name__


def _words(module: nn.Module) -> str:
    """What a module says of itself, and where it is; nothing for torch's own layers and for faster ones that equal them."""
    kind = nn.utils.parametrize.type_before_parametrizations(module)
    if any(base.__module__.startswith("torch.") and base is not nn.Module for base in kind.__mro__):
        return ""
    return f"{first_line(kind)} ({shown(place_of(kind))})".strip()


def shape(sides: Shape) -> str:
    """A shape as a reader writes it."""
    return " x ".join(map(str, sides)) or "1"


def _shapes(shapes: tuple[Shape, ...] | None) -> str:
    return ", ".join(shape(sides) for sides in shapes or ()) or "–"
