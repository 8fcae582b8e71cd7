"""Reader of a study from its `study.json` (`bench.tracking.study_record`). It skips damaged files and other formats with a warning."""

from __future__ import annotations

import json
import logging
import math
import shlex
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from bench.core.errors import one_line
from bench.metrics.columns import Card, card, is_metric
from bench.tracking.study_record import FORMAT, BestRecord, DimensionRecord, ObjectiveRecord, StudyRecord, TrialRecord, VariantRecord
from reports.study import BestTrial, DimensionImportance, SearchDimension, SearchedStudy, SettingValue, State, Trial, Tuning

log = logging.getLogger(__name__)

WORST = 1e9  # a larger value is the rank of a diverged trial, not a measurement
LONGEST = 400  # characters of a text


def read_study(recorded: Mapping[str, Any]) -> SearchedStudy | None:
    """Return the study that a `study.json` describes. If it cannot be read, log a warning and return None."""
    name = one_line(repr(str(recorded.get("study", ""))), most=80)
    if recorded.get("format") != FORMAT:
        other = one_line(repr(recorded.get("format")), most=40)
        log.warning("skipping the study %s: its study.json has format %s; this ganbench reads format %s", name, other, FORMAT)
        return None
    try:
        record = StudyRecord.model_validate(recorded)
    except ValidationError as error:
        log.warning("skipping the study %s: its study.json is damaged: %s", name, _first(error))
        return None
    cards = tuple(found for objective in record.objectives if (found := _card(objective)) is not None)
    if len(cards) < len(record.objectives):
        keys = one_line(", ".join(objective.key for objective in record.objectives), most=80)
        log.warning("skipping the study %s: not all of its objectives are known metrics with the recorded direction: %s", name, keys)
        return None
    return SearchedStudy(
        tag=record.study,
        objectives=cards,
        dimensions=tuple(dict.fromkeys(_dimension(dimension) for dimension in record.space.dimensions)),
        tunings=tuple(_tuning(variant, record.variants[variant], len(cards)) for variant in sorted(record.variants)),
        idea=_text(record.idea),
        dataset=_text(record.dataset),
        budget=_text(record.budget),
        space=_text(record.space.name),
        sampler=_text(record.sampler),
        pruner=_text(record.pruner),
        trials_wanted=record.trials_wanted,
        search_seeds=tuple(record.search_seeds),
        final_seeds=tuple(record.final_seeds),
    )


def _first(error: ValidationError) -> str:
    """Return the path of the first error, and its message."""
    problem = error.errors(include_url=False)[0]
    return one_line(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}, not {problem['input']!r}", most=200)


def _card(objective: ObjectiveRecord) -> Card | None:
    """Return the card of an objective, or None for an unknown metric or another direction."""
    if not is_metric(objective.key) or card(objective.key).direction != objective.direction:
        return None
    return card(objective.key)


def _dimension(record: DimensionRecord) -> SearchDimension:
    return SearchDimension(
        path=_text(record.path),
        kind=record.kind,
        low=math.nan if record.low is None else record.low,
        high=math.nan if record.high is None else record.high,
        choices=tuple(map(_setting, record.choices or ())),
        also=tuple(map(_text, record.also)),
        variants=record.variants,
    )


def _tuning(variant: str, record: VariantRecord, objectives: int) -> Tuning:
    trials = {trial.number: _trial(trial, objectives) for trial in record.trials}
    shares = (record.importance or {}).items()
    return Tuning(
        variant=variant,
        trials=tuple(trials[number] for number in sorted(trials)),
        best=_best(record.best, trials),
        pareto=tuple(number for number in record.pareto if number in trials and trials[number].values),
        importance=tuple(
            DimensionImportance(path=_text(path), mean=share.mean, sd=math.nan if share.sd is None else share.sd) for path, share in shares
        ),
        importance_note=_text(record.importance_note),
    )


def _trial(record: TrialRecord, objectives: int) -> Trial:
    """Return the trial. A complete trial without usable values is diverged if it has a reason, else failed."""
    state: State = record.state
    reason = _text(record.reason)
    values = tuple(record.values or ())
    usable = len(values) == objectives and all(abs(value) < WORST for value in values)
    if record.state == "complete" and (record.diverged or not usable):
        state, reason = ("diverged", reason) if record.diverged or reason else ("failed", "it has no value")
    return Trial(
        number=record.number,
        state=state,
        values=values if state == "complete" else (),
        default=record.default,
        reason=reason,
        params={_text(path): _setting(value) for path, value in record.params.items()},
        images=record.images,
        points=tuple((step, value) for step, value in record.intermediate if abs(value) < WORST),
    )


def _best(record: BestRecord | None, trials: Mapping[int, Trial]) -> BestTrial | None:
    """Return the best trial, or None if it is not among the trials or has no value."""
    if record is None or record.number not in trials or not trials[record.number].values:
        return None
    return BestTrial(number=record.number, values=trials[record.number].values, options=_options(record))


def _options(record: BestRecord) -> tuple[str, ...]:
    """Return the recipe as "path=value" each: from the recorded options if all are `--set`, else from the trial's settings."""
    try:
        words = shlex.split(record.set)
    except ValueError:  # an open quote
        words = []
    if words and len(words) % 2 == 0 and all(word == "--set" for word in words[::2]) and all("=" in word for word in words[1::2]):
        return tuple(words[1::2])
    return tuple(f"{path}={value if isinstance(value, str) else json.dumps(value)}" for path, value in sorted(record.settings.items()))


def _text(value: str) -> str:
    """Return a text on one line, shortened if it is long."""
    return one_line(value, most=LONGEST)


def _setting(value: object) -> SettingValue:
    """Return a setting as recorded: a text escaped, a list as text, and None for a number that no axis can show."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value if abs(value) <= 1e300 else None  # NaN fails this comparison, too
    return value if value is None or isinstance(value, bool) else _text(value if isinstance(value, str) else repr(value))
