"""All of a variant on one page, as a document that any renderer shows: what a reader needs to implement it again.

Nothing here knows a variant: formulas come from its objective, the round from its players, layers and functions from running their losses.
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

HARNESS = ("bench", "torch")  # packages whose functions are no part of a variant


def page(config: RunConfig, dataset: Dataset) -> Document:
    """The page of a configuration's variant on data of this shape, of which no example is read."""
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
    """The address of an arXiv paper; empty for papers elsewhere."""
    return f"https://arxiv.org/abs/{paper.removeprefix('arXiv ')}" if paper.startswith("arXiv ") else ""


def number(value: object) -> str:
    """A value of a recipe as a reader writes it."""
    if isinstance(value, tuple):
        return f"({', '.join(number(part) for part in value)})"
    return f"{value:g}" if isinstance(value, float) else str(value) or '""'


def changed(recipe: Recipe) -> list[str]:
    """The fields in which a recipe differs from the defaults of its kind."""
    return [
        name for name, field in type(recipe).model_fields.items() if getattr(recipe, name) != field.get_default(call_default_factory=True)
    ]


def _packages(config: RunConfig, variant: Variant, networks: Networks, objective: Objective) -> set[str]:
    """The top-level packages that a variant's code lies in, those of losses and networks given as `module:OBJECT` among them."""
    modules = [getattr(part, "__module__", "") for part in (type(networks), type(objective), variant.build)]
    named = [value for value in (config.networks, *config.recipe.model_dump().values()) if isinstance(value, str) and ":" in value]
    return {name.partition(":")[0].partition(".")[0] for name in ("variants", *modules, *named)} - set(HARNESS)


def _facts(config: RunConfig, variant: Variant, dataset: Dataset) -> Iterator[Fact]:
    link = paper_link(variant.paper)
    yield Fact(label="Paper", value=f"{variant.paper}, {link}" if link else variant.paper)
    if variant.family:
        yield Fact(label="Family", value=variant.family)
    if variant.aliases:
        yield Fact(label="Also", value=", ".join(variant.aliases))
    other = "" if config.networks == variant.networks else f" (the variant's own: {variant.networks})"
    yield Fact(label="Networks", value=f"{config.networks}{other}")
    needs = ", which the variant needs" if variant.needs_labels else ""
    labels = f", {dataset.spec.classes} classes{needs}" if dataset.spec.classes else ""
    yield Fact(label="Data", value=f"{dataset.name}: {dataset.spec.kind}, {shape(dataset.spec.shape)}{labels}")
    yield Fact(label="Version", value=str(variant.version))


def _losses(objective: Objective) -> Iterator[Block]:
    if not objective.formula:
        yield Text(text=f"{type(objective).__name__} states no formula: see the functions under Code.")
        return
    rows = tuple(Row(cells=(Cell(text=part, code=True),)) for part in objective.formula.split("; "))
    yield Table(columns=(Column(title="minimised, as a mean over the batch", align="left"),), rows=rows, fixed=True)
    if isinstance(objective, AdversarialObjective) and (words := symbols(objective.formula)):
        yield Text(text=f"In formulas {words}.")


def _round(recipe: Recipe, objective: Objective, sides: list[PlayerState]) -> Iterator[Block]:
    first, *others = objective.players
    rows = [
        (
            side.player.name,
            str(side.player.updates),
            "a fresh batch each" if side.player is first else f"the last batch of {first.name}",
            ", ".join(side.player.modules),
            _optimiser(side),
        )
        for side in sides
    ]
    yield _plain_table(("player", "updates", "real data", "moves", "optimiser"), rows)
    shown = first.updates * recipe.batch_size
    yield Text(text=f"A round shows {shown:,} real examples to {first.name}: {first.updates} x {recipe.batch_size}.")
    if others:
        yield Text(text="While one player is updated, the weights of the others are frozen.")
    for player in objective.players:
        if player.after is not nothing:
            yield Text(text=f"After each update of {player.name}, {_function(player.after)}: {first_line(player.after)}")
    if recipe.ema_half_life_images:
        yield Text(
            text=f"After a round the averaged weights, which are sampled from, move towards the new ones, with a half-life of "
            f"{recipe.ema_half_life_images:,} images."
        )
    if recipe.schedule != "constant":
        yield Text(text=f"Every {recipe.schedule_epochs} epochs the learning rates are multiplied by {recipe.schedule_gamma:g}.")


def _optimiser(side: PlayerState) -> str:
    """The optimiser as torch has it, with the numbers that do anything."""
    numbers = {
        name: value
        for name, value in side.optimiser.defaults.items()
        if isinstance(value, int | float | tuple) and not isinstance(value, bool) and value
    }
    return f"{type(side.optimiser).__name__}({', '.join(f'{name}={number(value)}' for name, value in numbers.items())})"


def _function(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))


def _recipe(recipe: Recipe, own: Recipe) -> Iterator[Block]:
    fields = type(recipe).model_fields
    here = {name for name in fields if getattr(recipe, name) != getattr(own, name)}
    stated = [name for name in fields if name in own.model_fields_set or name in changed(own) or name in here]
    rows = [
        (
            name,
            number(getattr(recipe, name)),
            "--set" if name in here else "variant",
            _default(recipe, name),
            fields[name].description or "",
        )
        for name in stated
    ]
    yield Text(text="--set recipe.NAME=VALUE changes any of them. The variant states:" if rows else "The variant states no number.")
    if rows:
        yield _plain_table(("name", "value", "stated by", "default", "meaning"), rows)
    rest = [(name, number(getattr(recipe, name)), field.description or "") for name, field in fields.items() if name not in stated]
    yield Text(text=f"At the defaults of {type(recipe).__name__}:")
    yield _plain_table(("name", "value", "meaning"), rest)


def _default(recipe: Recipe, name: str) -> str:
    field = type(recipe).model_fields[name]
    return "none" if field.is_required() else number(field.get_default(call_default_factory=True))


def _plain_table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    """A table whose first column is code."""
    cells = (tuple(Cell(text=text, code=index == 0) for index, text in enumerate(row)) for row in rows)
    return Table(
        columns=tuple(Column(title=title, align="left") for title in titles), rows=tuple(Row(cells=row) for row in cells), fixed=True
    )


def _code(config: RunConfig, variant: Variant, networks: Networks, objective: Objective, found: Trace) -> Iterator[Block]:
    parts: list[tuple[str, str, Place | None, str]] = [("catalogue entry", variant.name, VARIANTS.place(config.variant), "")]
    own = {"recipe": type(config.recipe), "objective": type(objective), "networks": type(networks), "wiring": variant.build}
    backbone = _backbone(config.networks)
    build = getattr(backbone, "build", None)
    if backbone is not None:
        parts.append(("backbone entry", config.networks, NETWORKS.place(config.networks), str(getattr(backbone, "idea", ""))))
    harness = {"first weights": initialise, "round": Trainer.round, "optimiser": make_optimiser}
    averaging = {"averaging": Ema} if config.recipe.ema_half_life_images else {}
    for what, thing in {**own, **({"backbone": build} if build else {}), **harness, **averaging}.items():
        parts.append((what, _function(thing), place_of(thing), first_line(thing)))
    yield _listing("part", [(places.shown(place), f"{what}: {name}", words) for what, name, place, words in parts])
    functions = [
        (places.shown(Place(code.co_filename, code.co_firstlineno)), code.co_qualname, first_line(places.function_of(code, module)))
        for code, module in found.functions
    ]
    yield _listing("function of losses or sampling, by its first call", functions)
    yield Text(text=f"Files are under {places.ROOT}, else under the working folder.")


def _listing(title: str, rows: list[tuple[str, str, str]]) -> Table:
    """(place, name, words) in two columns."""
    columns = (Column(title="where", align="left"), Column(title=title, align="left"))
    cells = ((Cell(text=where, code=True), Cell(text=name, detail=words)) for where, name, words in rows)
    return Table(columns=columns, rows=tuple(Row(cells=row) for row in cells), fixed=True)


def _backbone(name: str) -> object | None:
    """The registered networks of that name; None where the variant has a name of its own for them."""
    try:
        return NETWORKS.get(name)
    except UserError:
        return None
