"""Plots of a study in the section on studies."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from reports.document import Block, Figure, Gallery, Heading, Picture, Text, Tile
from reports.palette import Palette
from reports.plots import base, expected_best, heat_map, importance, pareto, search_history, slices, tuned_default
from reports.plots.colour_scale import colour_scale
from reports.plots.dimension_axis import DimensionAxis, axis_of
from reports.plots.trials import LEGEND
from reports.study import SearchDimension, SearchedStudy, Tuning
from reports.tuning_outcomes import TuningOutcome

MOST_SLICES = 6  # dimensions
TILE = (3.4, 2.5)  # inches
NO_EXPECTED = "Only random search allows an estimate of the expected best value by number of trials. The trials of {sampler} depend on earlier trials."
GROUND = (
    f"Background: the median of the trials in a cell (grey: half of them or more diverged; none below {heat_map.FEWEST} trials). "
    f"All maps share one colour scale. Yellow is best. {LEGEND}"
)


def tuned(study: SearchedStudy, outcomes: list[TuningOutcome], palette: Palette, index: int) -> list[Block]:
    """Return one plot of tuned against default for all variants, or an empty list without final runs of both."""
    data = tuned_default.tuned_default_data({outcome.tuning.name: outcome.samples for outcome in outcomes if len(outcome.samples) == 2})
    if data.empty:
        return []
    with base.axes(7.6, 0.9 + 0.55 * data["entry"].nunique()) as ax:
        tuned_default.draw(ax, data, palette, study.objective)
        picture = base.picture(ax, tuned_default.alt(data, study.objective))
    caption = (
        f"{study.objective.title} of the final runs, one dot for each seed. Hollow: default recipe. Filled: tuned recipe. Ticks: means. "
        "Crosses: failed runs."
    )
    return [Figure(id=f"study-{index}-tuned", caption=caption, picture=picture)]


def heat_maps(study: SearchedStudy, palette: Palette, index: int) -> list[Block]:
    """Return for each pair of dimensions one map for each variant. All maps of a study share one colour scale."""
    blocks: list[Block] = []
    found = {
        pair: {tuning.name: data for tuning in study.tunings if len(data := _mapped(study, tuning, *pair))}
        for pair in heat_map.pairs(study.dimensions)
    }
    scale = colour_scale([value for maps in found.values() for data in maps.values() for value in data["value"]], study.objective)
    for number, ((x, y), maps) in enumerate(found.items()):
        across = axis_of(x, [value for data in maps.values() for value in data["x_setting"]])
        up = axis_of(y, [value for data in maps.values() for value in data["y_setting"]])
        if scale is None or across is None or up is None or not maps:
            continue
        tiles = []
        for name, data in maps.items():
            bins = heat_map.bins_data(data, across, up, study.objective.direction)
            with base.axes(*TILE) as ax:
                heat_map.draw(ax, data, bins, across, up, scale, study.objective)
                picture = base.picture(ax, heat_map.alt(name, data, x, y, study.objective))
            tiles.append(Tile(title=name, colour=palette[name].colour, picture=picture))
        title = f"{study.objective.title} over {x.name} and {y.name}"
        blocks += [Heading(text=title), Gallery(id=f"study-{index}-map-{number}", caption=GROUND, tiles=tuple(tiles), tile_width=300)]
    return blocks


def _mapped(study: SearchedStudy, tuning: Tuning, x: SearchDimension, y: SearchDimension) -> pd.DataFrame:
    """Return the trials of a map, without those that no axis can show."""
    if not (x.of(tuning.variant) and y.of(tuning.variant)):
        return pd.DataFrame()
    data = heat_map.heat_map_data(study, tuning, x, y)
    axes = axis_of(x, data["x_setting"]), axis_of(y, data["y_setting"])
    if None in axes:
        return pd.DataFrame()
    return data[_placed(data["x_setting"], axes[0]) & _placed(data["y_setting"], axes[1])].reset_index(drop=True)


def _placed(settings: pd.Series, axis: DimensionAxis | None) -> pd.Series:
    """Return whether each setting has a position on the axis."""
    return pd.Series([axis is not None and axis.at(value) == axis.at(value) for value in settings], index=settings.index, dtype=bool)


def slices_of(study: SearchedStudy, palette: Palette, index: int) -> list[Block]:
    """Return the objective against each dimension, in panels for each variant."""
    values = {
        dimension: [trial.params.get(dimension.path) for tuning in study.tunings for trial in tuning.tried]
        for dimension in study.dimensions
    }
    axes = {dimension: axis_of(dimension, found) for dimension, found in values.items()}
    tiles = [
        Tile(title=tuning.name, colour=palette[tuning.name].colour, picture=picture, detail=dimension.name)
        for tuning in study.tunings
        for dimension in study.dimensions_of(tuning.variant)[:MOST_SLICES]
        if (axis := axes[dimension]) is not None and (picture := _slice(study, tuning, dimension, axis, palette)) is not None
    ]
    most = max((len(study.dimensions_of(tuning.variant)) for tuning in study.tunings), default=0)
    more = f" The first {MOST_SLICES} dimensions of a variant." if most > MOST_SLICES else ""
    caption = f"All other settings vary between the dots, so a slice shows a tendency, not an effect. {LEGEND}{more}"
    return _gallery("Slices", f"study-{index}-slices", caption, tiles)


def _slice(study: SearchedStudy, tuning: Tuning, dimension: SearchDimension, axis: DimensionAxis, palette: Palette) -> Picture | None:
    data = slices.slices_data(study, tuning, dimension)
    own = data[_placed(data["setting"], axis)]
    if own.empty:
        return None
    with base.axes(*TILE) as ax:
        slices.draw(ax, own, axis, palette[tuning.name], study.objective)
        return base.picture(ax, slices.alt(tuning.name, own, dimension, study.objective))


def importances(study: SearchedStudy, palette: Palette, index: int) -> list[Block]:
    """Return bars for each variant with importances, and the reason for each variant without."""
    found = [(tuning, importance.importance_data(tuning)) for tuning in study.tunings]
    tiles = []
    for tuning, data in found:
        if data.empty:
            continue
        with base.axes(TILE[0], 0.8 + 0.26 * len(data)) as ax:
            importance.draw(ax, data, palette[tuning.name])
            picture = base.picture(ax, importance.alt(tuning.name, data))
        tiles.append(Tile(title=tuning.name, colour=palette[tuning.name].colour, picture=picture, detail=tuning.importance_note))
    caption = "Share of the objective's variance that a setting explains. The line is its standard deviation."
    lacking = [f"{tuning.name}: {tuning.importance_note.rstrip('.')}" for tuning, data in found if data.empty and tuning.importance_note]
    note: list[Block] = [Text(text=f"No importance of {'; '.join(lacking)}.", tone="note")] if lacking else []
    return [*_gallery("Importance", f"study-{index}-importance", caption, tiles), *note]


def histories(study: SearchedStudy, palette: Palette, index: int) -> list[Block]:
    """Return the search of each variant in the order of trials."""
    tiles = _tiles(
        study, palette, lambda tuning: search_history.search_history_data(study, tuning), search_history.draw, search_history.alt
    )
    return _gallery("History", f"study-{index}-history", f"Line: the best value so far. {LEGEND}", tiles)


def _tiles(
    study: SearchedStudy, palette: Palette, data_of: Callable[[Tuning], pd.DataFrame], draw: Callable[..., None], alt: Callable[..., str]
) -> list[Tile]:
    tiles = []
    for tuning in study.tunings:
        data = data_of(tuning)
        if data.empty:
            continue
        with base.axes(*TILE) as ax:
            draw(ax, data, palette[tuning.name], study.objective)
            tiles.append(
                Tile(
                    title=tuning.name, colour=palette[tuning.name].colour, picture=base.picture(ax, alt(tuning.name, data, study.objective))
                )
            )
    return tiles


def budget(study: SearchedStudy, palette: Palette, index: int) -> list[Block]:
    """Return the expected best by number of random trials, or the reason why there is no estimate."""
    if study.sampler != "random":
        sampler = {"tpe": "TPE", "grid": "a grid"}.get(study.sampler, study.sampler or "an unrecorded sampler")
        return [Text(text=NO_EXPECTED.format(sampler=sampler), tone="note")]
    data = expected_best.expected_best_data(study)
    if data.empty:
        return []
    with base.axes(7.6, 3.6) as ax:
        expected_best.draw(ax, data, palette, study.objective)
        picture = base.picture(ax, expected_best.alt(data, study.objective))
    caption = (
        "Unbiased estimate of the expected best by number of random trials, on the search's seeds, without the default recipe. A line starts "
        "where that many trials cannot all have diverged. A pruned trial has its last value."
    )
    return [Heading(text="How many trials"), Figure(id=f"study-{index}-budget", caption=caption, picture=picture)]


def fronts(study: SearchedStudy, palette: Palette, index: int) -> list[Block]:
    """Return the Pareto front of each variant if there are two objectives."""
    if len(study.objectives) < 2:
        return []
    tiles = _tiles(
        study, palette, lambda tuning: pareto.pareto_data(study, tuning),
        lambda ax, data, style, _: pareto.draw(ax, data, style, study.objectives),
        lambda name, data, _: pareto.alt(name, data, study.objectives),
    )  # fmt: skip
    caption = "Filled: trials that no other trial beats in both objectives. Hollow: other trials. Ring: default recipe."
    return _gallery("Two objectives", f"study-{index}-front", caption, tiles)


def _gallery(title: str, name: str, caption: str, tiles: list[Tile]) -> list[Block]:
    return [Heading(text=title), Gallery(id=name, caption=caption, tiles=tuple(tiles), tile_width=300)] if tiles else []
