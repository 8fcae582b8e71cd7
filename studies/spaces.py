"""Search spaces: the configuration paths that a sweep may change, and their ranges.

A space is registered by name, or imported as `module:OBJECT`.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from optuna import Trial
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from bench.core.config import RunConfig, override, paths
from bench.core.errors import UserError, nearest, one_line
from bench.core.registry import Registry
from bench.core.text import matches

Kind = Literal["log", "linear", "int", "choice"]
GRID_POINTS = 4  # points of a range of real numbers, both ends included
DIGITS = 4  # significant digits of a real number, so that recommended values are easy to read and type


class Dimension(BaseModel):
    """One dimension of a space. `recipe.betas.0` is the first number of the list `recipe.betas`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    path: str
    kind: Kind
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    also: tuple[str, ...] = ()  # paths that get the same value
    variants: str = "*"  # comma-separated globs; the dimension applies to variants that match and have the path

    @model_validator(mode="after")
    def _possible(self) -> Dimension:
        for path in self.targets:
            if not path.startswith("recipe.") and path != "networks":
                raise ValueError(f"{path}: only the recipe and the networks can be searched; every trial shares all other settings")
        if self.kind == "choice":
            if len(self.choices) < 2 or self.low is not None or self.high is not None:
                raise ValueError(f"{self.path}: a choice needs at least two choices, and no low or high")
            if not all(_is_plain(choice) for choice in self.choices):
                raise ValueError(f"{self.path}: a choice must be a number, a string, true, false, or a list of these")
            if len({_code(choice) for choice in self.choices}) < len(self.choices):
                raise ValueError(f"{self.path}: a choice occurs twice: remove one")
            return self
        if self.low is None or self.high is None or self.choices:
            raise ValueError(f"{self.path}: a range needs low and high, and no choices")
        if not self.low < self.high:
            raise ValueError(f"{self.path}: the range from {self.low:g} to {self.high:g} is empty: low must be less than high")
        if self.kind == "log" and self.low <= 0:
            raise ValueError(f"{self.path}: a range on a log scale must start above 0, not at {self.low:g}")
        if self.kind == "int" and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError(f"{self.path}: a range of integers must end at integers, not at {self.low:g} and {self.high:g}")
        return self

    @property
    def words(self) -> str:
        """The paths and the range on one line."""
        reach = " or ".join(map(_format, self.choices)) if self.kind == "choice" else f"{self.bounds[0]:g} to {self.bounds[1]:g}"
        scale = " (log)" if self.kind == "log" else ""
        whose = "" if self.variants == "*" else f" for {self.variants}"
        return f"{' = '.join(self.targets)} {reach}{scale}{whose}"

    @property
    def targets(self) -> tuple[str, ...]:
        """Every path that the dimension sets."""
        return (self.path, *self.also)

    def suggest(self, trial: Trial) -> Any:
        """Return the value that Optuna suggests for a trial."""
        if self.kind == "choice":
            return self.value(trial.suggest_categorical(self.path, [_code(choice) for choice in self.choices]))
        low, high = self.bounds
        if self.kind == "int":
            return trial.suggest_int(self.path, int(low), int(high))
        return self.value(trial.suggest_float(self.path, low, high, log=self.kind == "log"))

    @property
    def bounds(self) -> tuple[float, float]:
        """Both ends of a range. Raises ValueError for a choice."""
        if self.low is None or self.high is None:
            raise ValueError(f"{self.path} is not a range: it has choices")
        return self.low, self.high

    def value(self, coded: Any) -> Any:
        """Return the value of Optuna's code. Rounds real numbers to `DIGITS` digits."""
        if self.kind == "choice":
            return next(choice for choice in self.choices if _code(choice) == coded)
        if self.kind == "int":
            return int(coded)
        low, high = self.bounds
        return min(max(float(f"{coded:.{DIGITS}g}"), low), high)

    def code(self, value: Any) -> Any:
        """Return the code of a value for Optuna."""
        return _code(value) if self.kind == "choice" else value

    def holds(self, value: Any) -> bool:
        """Return whether the dimension contains a value."""
        if self.kind == "choice":
            return _code(value) in {_code(choice) for choice in self.choices}
        low, high = self.bounds
        return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high

    def grid(self) -> list[Any]:
        """Return the values of a grid search: all choices or integers, else `GRID_POINTS` real numbers."""
        if self.kind == "choice":
            return list(self.choices)
        low, high = self.bounds
        if self.kind == "int":
            return list(range(int(low), int(high) + 1))
        steps = [index / (GRID_POINTS - 1) for index in range(GRID_POINTS)]
        if self.kind == "log":
            return [self.value(low * (high / low) ** step) for step in steps]
        return [self.value(low + (high - low) * step) for step in steps]

    @property
    def size(self) -> int:
        """The number of values in a grid search."""
        if self.kind == "choice":
            return len(self.choices)
        return int(self.bounds[1] - self.bounds[0]) + 1 if self.kind == "int" else GRID_POINTS

    def probes(self) -> list[Any]:
        """Return test values for validation: every choice, or both ends of a range and a value in between."""
        if self.kind == "choice":
            return list(self.choices)
        low, high = self.bounds
        if self.kind == "int":
            return [int(low), int(high)]
        return [self.value(low), self.value(low + (high - low) / math.pi), self.value(high)]

    def is_for(self, variant: str) -> bool:
        """Return whether the globs match a variant."""
        return matches(variant, self.variants)

    def applies(self, config: RunConfig) -> bool:
        """Return whether the dimension matches the variant and the configuration has its paths."""
        return self.is_for(config.variant) and all(_lookup(config, path) is not None for path in self.targets)


class Space(BaseModel):
    """A search space of at least one dimension."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    idea: str
    dimensions: tuple[Dimension, ...]

    @model_validator(mode="after")
    def _distinct(self) -> Space:
        if not self.dimensions:
            raise ValueError(f"the space {self.name!r} has no dimension: add at least one")
        for one in self.dimensions:
            for other in self.dimensions:
                if one is not other and one.variants == other.variants and _overlap(one, other):
                    raise ValueError(f"the space {self.name!r} sets {one.path!r} twice: remove one dimension")
        return self


SPACES: Registry[Space] = Registry("space", Space)


def space_from(values: Mapping[str, Any]) -> Space:
    """Build a space from plain values. Raises UserError for invalid ones."""
    try:
        return Space.model_validate(values)
    except ValidationError as error:
        raise UserError(f"invalid search space: {one_line(error.errors()[0]['msg'].removeprefix('Value error, '))}") from error


def fitting(space: Space, configs: Sequence[RunConfig]) -> list[tuple[Dimension, ...]]:
    """Return the dimensions of each configuration.

    Raises UserError for a path that no variant has, a value that a recipe rejects, or a default outside the range.
    """
    known = sorted({path for config in configs for path in paths(config)})
    for dimension in space.dimensions:
        named = [config for config in configs if dimension.is_for(config.variant)]
        if not any(dimension.applies(config) for config in named):
            searched = f"{dimension.variants!r}" if not named else ", ".join(config.variant for config in named)
            unknown = next((path for path in dimension.targets if all(_lookup(config, path) is None for config in named)), dimension.path)
            raise UserError(f"the space {space.name!r}: no variant has {unknown!r} (looked in {searched})" + nearest(unknown, known))
    return [_of(config, space) for config in configs]


def _of(config: RunConfig, space: Space) -> tuple[Dimension, ...]:
    found = tuple(dimension for dimension in space.dimensions if dimension.applies(config))
    if not found:
        raise UserError(f"the space {space.name!r} has no dimension for {config.variant}: add one, or omit the variant")
    twice = next((one for one, other in itertools.combinations(found, 2) if _overlap(one, other)), None)
    if twice:
        raise UserError(f"the space {space.name!r} sets {twice.path!r} of {config.variant} twice: remove one dimension")
    for dimension in found:
        default = _lookup(config, dimension.path)
        if not dimension.holds(default):
            raise UserError(
                f"the space {space.name!r} excludes the default of {config.variant}, which every study trains first: {dimension.path}={_format(default)}; widen the range"
            )
        for value in dimension.probes():
            try:
                override(config, settings_of(config, (dimension,), {dimension.path: value}))
            except UserError as error:
                raise UserError(f"the space {space.name!r}, {config.variant}: {error}") from error
    return found


def defaults_of(config: RunConfig, dimensions: Sequence[Dimension]) -> dict[str, Any]:
    """Return the default value of each dimension by path. For several paths, the value of the first one."""
    return {dimension.path: _lookup(config, dimension.path) for dimension in dimensions}


def settings_of(config: RunConfig, dimensions: Sequence[Dimension], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings for `override` from a point of the space, which has a value for each dimension."""
    known = paths(config)
    settings: dict[str, Any] = {}
    for dimension in dimensions:
        for path in dimension.targets:
            if path in known:
                settings[path] = values[dimension.path]
                continue
            parent, _, index = path.rpartition(".")
            whole = list(settings.get(parent, known[parent]))
            whole[int(index)] = values[dimension.path]
            settings[parent] = whole
    return settings


def as_options(settings: Mapping[str, Any]) -> str:
    """Return settings as options of the command line."""
    return " ".join(f"--set {path}={_format(value)}" for path, value in settings.items())


def _format(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(_format(part) for part in value)
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _lookup(config: RunConfig, path: str) -> Any:
    """Return the value at a path, or at an element of a list, or None."""
    known = paths(config)
    if path in known:
        return known[path]
    parent, _, index = path.rpartition(".")
    whole = known.get(parent)
    return whole[int(index)] if isinstance(whole, list | tuple) and index.isdecimal() and int(index) < len(whole) else None


def _code(choice: Any) -> Any:
    """Return the code of a choice for Optuna. A list becomes JSON with real numbers."""
    if not isinstance(choice, list | tuple):
        return choice
    return json.dumps([float(part) if isinstance(part, int) and not isinstance(part, bool) else part for part in choice])


def _is_plain(choice: Any) -> bool:
    parts = choice if isinstance(choice, list | tuple) else [choice]
    return all(isinstance(part, str | int | float) and part == part for part in parts)


def _overlap(one: Dimension, other: Dimension) -> bool:
    """Return whether two dimensions set the same path, or one sets an element of the other's path."""
    return any(a == b or a.startswith(f"{b}.") or b.startswith(f"{a}.") for a in one.targets for b in other.targets)
