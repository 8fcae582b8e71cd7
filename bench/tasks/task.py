"""What a task is. The task of a dataset says what an evaluation asks a generator for, and which rows give the scale.

The harness reads the fields of a task, never its name. `bench.tasks.catalog` has the tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

from torch import Tensor

from bench.core.spec import Dataset, DataShape, TaskName


@dataclass(frozen=True, kw_only=True)
class Request:
    """Record of what a generator is asked for: n examples and, for some of them, labels or given examples."""

    n: int
    labels: Tensor | None = None  # [n]: the class, or the target domain, of each example. None for unconditional models
    given: Tensor | None = None  # uint8 [n, *given]: the examples to translate
    given_labels: Tensor | None = None  # [n]: the domain of each given example, if outputs are translated back to a domain
    truth: Tensor | None = None  # uint8 [n, *shape]: what should be made of them, if that is known
    truth_labels: Tensor | None = None  # [n]: the class of the truth

    def part(self, rows: Tensor) -> Request:
        """Return the request of some rows [m] int64."""
        found: dict[str, Any] = {part.name: value[rows] for part in fields(self) if isinstance(value := getattr(self, part.name), Tensor)}
        return replace(self, n=len(rows), **found)


class Ask(Protocol):
    """Function that returns the request of an evaluation of n examples. `classes`: those of the networks, 0 for an unconditional model."""

    def __call__(self, dataset: Dataset, n: int, *, classes: int, seed: int, stream: str) -> Request: ...


@dataclass(frozen=True, kw_only=True)
class ScaleRow:
    """Record of a row that gives the scale of metrics: outputs that anybody has without a training."""

    idea: str
    fits: Callable[[DataShape], bool]
    make: Callable[[Dataset, Request], Tensor]  # uint8 [n, *shape]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Record of a picture: images uint8 [k, C, H, W] in rows of `columns`."""

    images: Tensor
    columns: int


@dataclass(frozen=True, kw_only=True)
class Task:
    """Record of a task.

    `provides`, `lacks`: words of `needs` that the task adds to those of the data and takes away. `inputs`: the number of test inputs,
    or None if there is no limit. `untrained`: variant and settings of the row `untrained`, by the shape of the data.
    """

    name: TaskName
    title: str
    idea: str
    ask: Ask
    inputs: Callable[[Dataset], int | None]
    untrained: Callable[[DataShape], tuple[str, Mapping[str, Any]]]
    provides: Callable[[DataShape], frozenset[str]]
    lacks: frozenset[str] = frozenset()
    own_classes: bool = False  # whether the classifier of another dataset chooses among the classes of this data alone
    rows: Mapping[str, ScaleRow] = field(default_factory=dict)
    picture: Callable[[Dataset], Request] | None = None  # the request of every picture; None: fixed noise
    arrange: Callable[[Request, Tensor], Layout] | None = None  # of the request of a picture and what is made of it
