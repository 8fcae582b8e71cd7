"""Page of `ganbench show`: a document from which a reader can reimplement a variant.

It works for any variant. The formulas come from the objective, and the round comes from the players. A trace gives the layers and functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bench.cli import places
from bench.cli.places import first_line, place_of
from bench.cli.variant_networks import networks_blocks, shape
from bench.cli.variant_trace import Trace, trace
from bench.core.config import NETWORKS, VARIANTS, RunConfig
from bench.core.errors import UserError
from bench.core.registry import Place
from bench.core.spec import Dataset, Networks, Objective, Recipe, Variant, nothing
from bench.training.build import assemble, initialise
from bench.training.ema import Ema
from bench.training.loop import PlayerState, Trainer
from bench.training.optimizers import make_optimiser
from reports.document import Block, Cell, Column, Document, Fact, Row, Section, Table, Text
from variants.formulas import symbols
from variants.gan import AdversarialObjective

HARNESS = ("bench", "torch")  # packages without code of variants


def page(config: RunConfig, dataset: Dataset) -> Document:
    """Return the page of a configured variant. It uses the dataset's name, kind, shape and number of classes, but no examples."""
    variant = VARIANTS.get(config.variant)
    networks, objective = assemble(config, dataset.spec)
    found = trace(networks, objective, config.recipe, dataset.spec, _packages(config, variant, networks, objective))
    sides = [PlayerState(player, networks, config.recipe) for player in objective.players]
    return Document(
        title=config.variant,
        subtitle=variant.idea,
        facts=tuple(_facts(config, variant, dataset)),
        sections=(
            Section(id="losses", title="Losses", blocks=tuple(_losses(objective))),
            Section(id="round", title="One round", blocks=tuple(_round(config.recipe, objective, sides))),
            Section(id="networks", title="Networks", blocks=tuple(networks_blocks(networks, found, sides))),
            Section(id="recipe", title="Recipe", blocks=tuple(_recipe(config.recipe, variant.recipe))),
            Section(
                id="differences",
                title="Differences from the publication",
                blocks=(Text(text=variant.note or "The catalogue records none."),),
            ),
            Section(id="code", title="Code", blocks=tuple(_code(config, variant, networks, objective, found))),
        ),
    )


def paper_link(paper: str) -> str:
    """Return the address of an arXiv paper. It is empty for other papers."""
    return f"https://arxiv.org/abs/{paper.removeprefix('arXiv ')}" if paper.startswith("arXiv ") else ""


def number(value: object) -> str:
    """Return a value of a recipe as text."""
    if isinstance(value, tuple):
        return f"({', '.join(number(part) for part in value)})"
    return f"{value:g}" if isinstance(value, float) else str(value) or '""'


def changed(recipe: Recipe) -> list[str]:
    """Return the fields of a recipe that differ from the defaults of its class."""
    return [
        name for name, field in type(recipe).model_fields.items() if getattr(recipe, name) != field.get_default(call_default_factory=True)
    ]


def _packages(config: RunConfig, variant: Variant, networks: Networks, objective: Objective) -> set[str]:
    """Return the top-level packages with code of a variant, including losses and networks given as `module:OBJECT`."""
    modules = [getattr(part, "__module__", "") for part in (type(networks), type(objective), variant.build)]
    named = [value for value in (config.networks, *config.recipe.model_dump().values()) if isinstance(value, str) and ":" in value]
    return {name.partition(":")[0].partition(".")[0] for name in ("variants", *modules, *named)} - set(HARNESS)


def _facts(config: RunConfig, variant: Variant, dataset: Dataset) -> Iterator[Fact]:
    """Yield the facts at the top of the page."""
    link = paper_link(variant.paper)
    yield Fact(label="Paper", value=f"{variant.paper}, {link}" if link else variant.paper)
    if variant.family:
        yield Fact(label="Family", value=variant.family)
    if variant.aliases:
        yield Fact(label="Aliases", value=", ".join(variant.aliases))
    other = "" if config.networks == variant.networks else f" (default: {variant.networks})"
    yield Fact(label="Networks", value=f"{config.networks}{other}")
    needs = ", required by the variant" if variant.needs_labels else ""
    labels = f", {dataset.spec.classes} classes{needs}" if dataset.spec.classes else ""
    yield Fact(label="Data", value=f"{dataset.name}: {dataset.spec.kind}, {shape(dataset.spec.shape)}{labels}")
    yield Fact(label="Version", value=str(variant.version))


def _losses(objective: Objective) -> Iterator[Block]:
    """Yield the formulas of the losses, and their symbols."""
    if not objective.formula:
        yield Text(text=f"{type(objective).__name__} has no formula: see the functions under Code.")
        return
    rows = tuple(Row(cells=(Cell(text=part, code=True),)) for part in objective.formula.split("; "))
    yield Table(columns=(Column(title="minimised, averaged over the batch", align="left"),), rows=rows, fixed=True)
    if isinstance(objective, AdversarialObjective) and (words := symbols(objective.formula)):
        yield Text(text=f"In formulas {words}.")


def _round(recipe: Recipe, objective: Objective, sides: list[PlayerState]) -> Iterator[Block]:
    """Yield the players in their order, and the other steps of a round."""
    first, *others = objective.players
    rows = [
        (
            side.player.name,
            str(side.player.updates),
            "a new batch each" if side.player is first else f"the last batch of {first.name}",
            ", ".join(side.player.modules),
            _optimiser(side),
        )
        for side in sides
    ]
    yield _plain_table(("player", "updates", "real data", "trains", "optimiser"), rows)
    examples = first.updates * recipe.batch_size
    yield Text(text=f"{first.name} uses {examples:,} real examples in a round: {first.updates} x {recipe.batch_size}.")
    if others:
        yield Text(text="While one player is updated, the weights of the others are frozen.")
    for player in objective.players:
        if player.after is not nothing:
            yield Text(text=f"After each update of {player.name}, {_function(player.after)}: {first_line(player.after)}")
    if recipe.ema_half_life_images:
        yield Text(
            text=f"Samples come from an exponential moving average of the weights. It is updated after each round, with a half-life of "
            f"{recipe.ema_half_life_images:,} images."
        )
    if recipe.schedule != "constant":
        yield Text(text=f"Every {recipe.schedule_epochs} epochs the learning rates are multiplied by {recipe.schedule_gamma:g}.")


def _optimiser(side: PlayerState) -> str:
    """Return an optimiser of torch as text, with its arguments that are not zero."""
    numbers = {
        name: value
        for name, value in side.optimiser.defaults.items()
        if isinstance(value, int | float | tuple) and not isinstance(value, bool) and value
    }
    return f"{type(side.optimiser).__name__}({', '.join(f'{name}={number(value)}' for name, value in numbers.items())})"


def _function(function: Any) -> str:
    """Return the qualified name of a function or class. For another object, return the name of its class."""
    return str(getattr(function, "__qualname__", type(function).__name__))


def _recipe(recipe: Recipe, own: Recipe) -> Iterator[Block]:
    """Yield the values that the variant or --set sets, then the defaults."""
    fields = type(recipe).model_fields
    options = {name for name in fields if getattr(recipe, name) != getattr(own, name)}
    chosen = [name for name in fields if name in own.model_fields_set or name in changed(own) or name in options]
    rows = [
        (
            name,
            number(getattr(recipe, name)),
            "--set" if name in options else "variant",
            _default(recipe, name),
            fields[name].description or "",
        )
        for name in chosen
    ]
    yield Text(text="--set recipe.NAME=VALUE changes a value. Values of the variant:" if rows else "The variant sets no value.")
    if rows:
        yield _plain_table(("name", "value", "set by", "default", "meaning"), rows)
    rest = [(name, number(getattr(recipe, name)), field.description or "") for name, field in fields.items() if name not in chosen]
    yield Text(text=f"Defaults of {type(recipe).__name__}:")
    yield _plain_table(("name", "value", "meaning"), rest)


def _default(recipe: Recipe, name: str) -> str:
    """Return the default of a field as text."""
    field = type(recipe).model_fields[name]
    return "none" if field.is_required() else number(field.get_default(call_default_factory=True))


def _plain_table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    """Return a table whose first column is code."""
    cells = (tuple(Cell(text=text, code=index == 0) for index, text in enumerate(row)) for row in rows)
    return Table(
        columns=tuple(Column(title=title, align="left") for title in titles), rows=tuple(Row(cells=row) for row in cells), fixed=True
    )


def _code(config: RunConfig, variant: Variant, networks: Networks, objective: Objective, found: Trace) -> Iterator[Block]:
    """Yield the locations of the parts of a variant and of the functions that it calls."""
    parts: list[tuple[str, str, Place | None, str]] = [("catalogue entry", variant.name, VARIANTS.place(config.variant), "")]
    own = {"recipe": type(config.recipe), "objective": type(objective), "networks": type(networks), "wiring": variant.build}
    backbone = _backbone(config.networks)
    build = getattr(backbone, "build", None)
    if backbone is not None:
        parts.append(("backbone entry", config.networks, NETWORKS.place(config.networks), str(getattr(backbone, "idea", ""))))
    harness = {"initial weights": initialise, "round": Trainer.round, "optimiser": make_optimiser}
    averaging = {"averaging": Ema} if config.recipe.ema_half_life_images else {}
    for what, thing in {**own, **({"backbone": build} if build else {}), **harness, **averaging}.items():
        parts.append((what, _function(thing), place_of(thing), first_line(thing)))
    yield _listing("part", [(places.file_line(place), f"{what}: {name}", words) for what, name, place, words in parts])
    functions = [
        (places.file_line(Place(code.co_filename, code.co_firstlineno)), code.co_qualname, first_line(places.function_of(code, module)))
        for code, module in found.functions
    ]
    yield _listing("functions of losses and sampling, in the order of their first call", functions)
    yield Text(text=f"Files are relative to {places.ROOT} or to the working folder.")


def _listing(title: str, rows: list[tuple[str, str, str]]) -> Table:
    """Return a table of rows (location, name, description) in two columns."""
    columns = (Column(title="where", align="left"), Column(title=title, align="left"))
    cells = ((Cell(text=where, code=True), Cell(text=name, detail=words)) for where, name, words in rows)
    return Table(columns=columns, rows=tuple(Row(cells=row) for row in cells), fixed=True)


def _backbone(name: str) -> object | None:
    """Return the registered networks with a name, or None for networks that only the variant defines."""
    try:
        return NETWORKS.get(name)
    except UserError:
        return None
