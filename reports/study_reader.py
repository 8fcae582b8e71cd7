"""A study read from what it recorded of its search (`bench.tracking.results.STUDY`): what is odd there is left out with a warning."""

from __future__ import annotations

import json
import logging
import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, cast

from bench.core.errors import one_line
from bench.core.text import printable
from bench.metrics.cards import Card, card, is_metric
from reports.study import BestTrial, DimensionImportance, DimensionKind, SearchDimension, SearchedStudy, Setting, State, Trial, Tuning

log = logging.getLogger(__name__)

FORMAT = 1
KINDS = ("log", "linear", "int", "choice")
STATES = ("complete", "pruned", "failed", "running", "waiting")
WORST = 1e9  # what is larger is a diverged trial's rank, not a value
MOST_TRIALS = 10_000  # of a variant
LONGEST = 400  # characters of a text


def read_study(recorded: Mapping[str, Any]) -> SearchedStudy | None:
    """The study that a `STUDY` artifact describes; None, with a warning, where it lacks what every study has."""
    name = str(recorded.get("study", ""))
    objectives = tuple(found for entry in _dicts(recorded.get("objectives")) if (found := _objective(entry)) is not None)
    variants = _dict(recorded.get("variants"))
    if wrong := _wrong(recorded, objectives, variants):
        log.warning("the study %s is left out: %s", one_line(repr(name), most=80), wrong)
        return None
    space = _dict(recorded.get("space"))
    dimensions = [found for entry in _dicts(space.get("dimensions")) for found in _dimension(entry)]
    return SearchedStudy(
        tag=name,
        objectives=objectives,
        dimensions=tuple(dict.fromkeys(dimensions)),
        tunings=tuple(_tuning(variant, _dict(found), len(objectives)) for variant, found in sorted(variants.items())),
        idea=_text(recorded.get("idea")),
        dataset=_text(recorded.get("dataset")),
        budget=_text(recorded.get("budget")),
        space=_text(space.get("name")),
        sampler=_text(recorded.get("sampler")),
        pruner=_text(recorded.get("pruner")),
        trials_wanted=_whole(recorded.get("trials_wanted")) or 0,
        search_seeds=_wholes(recorded.get("search_seeds")),
        final_seeds=_wholes(recorded.get("final_seeds")),
    )


def _wrong(recorded: Mapping[str, Any], objectives: Sequence[Card], variants: Mapping[str, Any]) -> str:
    """What keeps a study from being read, in words; empty where nothing does."""
    if recorded.get("format") != FORMAT:
        return f"it is of format {one_line(repr(recorded.get('format')), most=40)}; this ganbench reads format {FORMAT}"
    if len(objectives) not in (1, 2) or len(objectives) < len(_list(recorded.get("objectives"))):
        return f"its objectives are not one or two known metrics: {one_line(repr(recorded.get('objectives')), most=80)}"
    return "" if variants else "it has no variants"


def _objective(entry: Mapping[str, Any]) -> Card | None:
    """The card of an objective, with the direction in which it was searched."""
    key, direction = entry.get("key"), entry.get("direction")
    if not isinstance(key, str) or not is_metric(key) or direction not in ("lower", "higher"):
        return None
    found = card(key)
    return found if found.direction == direction else None


def _dimension(entry: Mapping[str, Any]) -> tuple[SearchDimension, ...]:
    """The dimension, or nothing."""
    path, kind = _text(entry.get("path")), entry.get("kind")
    if not path or kind not in KINDS:
        return ()
    found = SearchDimension(
        path=path,
        kind=cast(DimensionKind, kind),
        low=_number(entry.get("low")),
        high=_number(entry.get("high")),
        choices=tuple(_setting(choice) for choice in _list(entry.get("choices"))[:50]),
        also=tuple(_text(other) for other in _list(entry.get("also"))),
        variants=_text(entry.get("variants")) or "*",
    )
    return (found,)


def _tuning(variant: str, found: Mapping[str, Any], objectives: int) -> Tuning:
    trials = {
        trial.number: trial for entry in _dicts(found.get("trials"))[:MOST_TRIALS] if (trial := _trial(entry, objectives)) is not None
    }
    recorded = len(_list(found.get("trials")))
    if len(trials) < recorded:
        log.warning("%d of %d trials of %s cannot be read", recorded - len(trials), recorded, one_line(repr(variant), most=80))
    importance = [
        DimensionImportance(path=_text(path), mean=_number(_dict(value).get("mean")), sd=_number(_dict(value).get("sd")))
        for path, value in _dict(found.get("importance")).items()
    ]
    return Tuning(
        variant=variant,
        trials=tuple(trials[number] for number in sorted(trials)),
        best=_best(_dict(found.get("best")), trials),
        pareto=tuple(number for number in _wholes(found.get("pareto")) if number in trials and trials[number].values),
        importance=tuple(found for found in importance if math.isfinite(found.mean)),
        importance_note=_text(found.get("importance_note")),
    )


def _trial(entry: Mapping[str, Any], objectives: int) -> Trial | None:
    """A trial; one that ended without usable values is diverged where it says why, else failed."""
    number, state = _whole(entry.get("number")), entry.get("state")
    if number is None or number < 0 or state not in STATES:
        return None
    reason = _text(entry.get("reason"))
    values = tuple(_number(value) for value in _list(entry.get("values")))
    usable = len(values) == objectives and all(abs(value) < WORST for value in values)  # NaN is none
    if state == "complete" and (entry.get("diverged") is True or not usable):
        known = entry.get("diverged") is True or bool(reason)
        state, reason = ("diverged", reason) if known else ("failed", "it has no value")
    points = [
        (_number(point[0]), _number(point[1])) for point in _list(entry.get("intermediate")) if isinstance(point, list) and len(point) == 2
    ]
    return Trial(
        number=number,
        state=cast(State, state),
        values=values if state == "complete" else (),
        default=entry.get("default") is True,
        reason=reason,
        params={_text(path): _setting(value) for path, value in _dict(entry.get("params")).items()},
        images=max(_whole(entry.get("images")) or 0, 0),
        points=tuple((x, y) for x, y in points if abs(x) < math.inf and abs(y) < WORST),
    )


def _best(entry: Mapping[str, Any], trials: Mapping[int, Trial]) -> BestTrial | None:
    """The best trial; None where it is not among the trials or has no value there."""
    number = _whole(entry.get("number"))
    if number is None or number not in trials or not trials[number].values:
        return None
    return BestTrial(number=number, values=trials[number].values, options=_options(entry))


def _options(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """The recipe as "path=value" each: what the study recorded for the command line if it is nothing but that, else the trial's settings."""
    line = entry.get("set")
    try:
        words = shlex.split(line) if isinstance(line, str) else []
    except ValueError:  # an open quote
        words = []
    if words and len(words) % 2 == 0 and all(word == "--set" for word in words[::2]) and all("=" in word for word in words[1::2]):
        return tuple(printable(word) for word in words[1::2])
    settings = sorted(_dict(entry.get("settings")).items())
    return tuple(printable(f"{path}={value if isinstance(value, str) else json.dumps(value)}") for path, value in settings)


def _text(value: object) -> str:
    """A text on one line, cut where it is long, without characters that act on their surroundings; empty for anything else."""
    return printable(one_line(value, most=LONGEST)) if isinstance(value, str) else ""


def _number(value: object) -> float:
    """A finite number, or NaN."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e300:
        return math.nan
    return float(value)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1e15 else None


def _wholes(value: object) -> tuple[int, ...]:
    return tuple(number for entry in _list(value) if (number := _whole(entry)) is not None)


def _setting(value: object) -> Setting:
    """A setting as it was, a text made safe to show; what is neither text nor number as its text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return value if math.isfinite(_number(value)) else None
    return _text(value if isinstance(value, str) else repr(value))


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _dicts(value: object) -> list[dict[str, Any]]:
    return [entry for entry in _list(value) if isinstance(entry, dict)]


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
