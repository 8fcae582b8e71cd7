"""Tables of the networks of a variant: each layer with its output shape and its number of parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import cast

from torch import nn

from bench.cli.places import file_line, first_line, place_of
from bench.cli.variant_trace import Shape, Trace, computes_a_weight
from bench.core.spec import Networks
from bench.core.text import pluralise
from bench.training.loop import PlayerState
from reports.document import Block, Cell, Column, Heading, Row, Table, Text


def networks_blocks(networks: Networks, found: Trace, sides: list[PlayerState]) -> Iterator[Block]:
    """Yield a table of layers for each module that a player trains, and the numbers of parameters of the players."""
    trainers: dict[str, list[str]] = {}
    for side in sides:
        for name in side.player.modules:
            trainers.setdefault(name, []).append(side.player.name)
    for name, players in trainers.items():
        module = networks.get_submodule(name)
        yield Heading(text=f"{name} ({_name(module)}): {pluralise(_count(module), 'parameter')}, trained by {' and '.join(players)}")
        if name in found.outputs:
            yield Text(text=f"Input: {_shapes(found.inputs[name])}. Output: {_shapes(found.outputs[name])}.")
        if text := _description(module):
            yield Text(text=text)
        yield _layers(module, name, found)
    each = "; ".join(f"{side.player.name} trains {sum(p.numel() for p in side.parameters):,}" for side in sides)
    yield Text(text=f"Total: {pluralise(_count(networks), 'parameter')}; {each}. Shapes are without the batch axis.")


def _layers(top: nn.Module, prefix: str, found: Trace) -> Table:
    """Return the table of layers in the order of their first call. Each layer has the number of its parameters outside its inner layers."""
    paths = {name: ".".join(part for part in (prefix, name) if part) for name, _ in top.named_modules()}
    modules = {name: module for name, module in top.named_modules() if not name or _is_listed(module, paths[name], found)}
    order = {path: index for index, path in enumerate(found.inputs)}
    own = _own_parameters(top, modules)
    described: set[type] = {type(top)}
    rows = []
    for name, module in sorted(modules.items(), key=lambda item: order.get(paths[item[0]], len(order))):
        if not name and not own[name] and len(modules) > 1:
            continue  # the heading describes it
        detail = "" if type(module) in described else _description(module)
        described.add(type(module))
        cells = (
            Cell(text=name or "(itself)", code=True),
            Cell(text=_kind(module), detail=detail),
            Cell(text=_shapes(found.outputs.get(paths[name])), detail="while the networks grow" if paths[name] in found.growing else ""),
            Cell(text=f"{own[name]:,}" if own[name] else ""),
        )
        rows.append(Row(cells=cells))
    titles = ("layer", "type", "output", "parameters")
    aligned = tuple(Column(title=title, align="right" if title == "parameters" else "left") for title in titles)
    return Table(columns=aligned, rows=tuple(rows), fixed=True)


def _is_listed(module: nn.Module, path: str, found: Trace) -> bool:
    """Return whether the table lists a module: a layer, a block or a state, but not a container of torch or a parametrization."""
    if computes_a_weight(path) or type(module).__module__ == nn.Sequential.__module__:
        return False
    return path in found.outputs or any(True for _ in (*module.parameters(recurse=False), *module.buffers(recurse=False)))


def _own_parameters(top: nn.Module, modules: Mapping[str, nn.Module]) -> dict[str, int]:
    """Return the number of parameters of each module, without those of its inner modules. Shared parameters are counted once."""
    own = dict.fromkeys(modules, 0)
    for path, parameter in top.named_parameters():
        parts = path.split(".")[:-1]
        owner = next(name for count in range(len(parts), -1, -1) if (name := ".".join(parts[:count])) in own)
        own[owner] += parameter.numel()
    return own


def _count(module: nn.Module) -> int:
    """Return the number of parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def _kind(module: nn.Module) -> str:
    """Return a layer as torch prints it, with its parametrizations. Without arguments in torch's text, it has the shapes of its weights."""
    own = ", ".join(f"{name} {shape(tuple(parameter.shape))}" for name, parameter in module.named_parameters(recurse=False))
    arguments = re.sub(r"\((\d+)(?:, \1)+\)", r"\1", module.extra_repr()) or own  # (3, 3) becomes 3
    chains = cast("nn.ModuleDict", module.parametrizations).values() if nn.utils.parametrize.is_parametrized(module) else ()
    steps = sorted({type(step).__name__.strip("_") for chain in chains for step in chain.children()})
    return f"{_name(module)}({arguments})" + (f" with {', '.join(steps)}" if steps else "")


def _name(module: nn.Module) -> str:
    """Return the class name of a module. For a parametrized module, it is the name of the original class."""
    return nn.utils.parametrize.type_before_parametrizations(module).__name__


def _description(module: nn.Module) -> str:
    """Return the docstring and the location of a module's class. The text is empty for layers of torch and their subclasses."""
    kind = nn.utils.parametrize.type_before_parametrizations(module)
    if any(base.__module__.startswith("torch.") and base is not nn.Module for base in kind.__mro__):
        return ""
    return f"{first_line(kind)} ({file_line(place_of(kind))})".strip()


def shape(sides: Shape) -> str:
    """Return a shape as text, e.g. 3 x 8 x 8."""
    return " x ".join(map(str, sides)) or "1"


def _shapes(shapes: tuple[Shape, ...] | None) -> str:
    """Return several shapes as text, or a dash without shapes."""
    return ", ".join(shape(sides) for sides in shapes or ()) or "–"
