"""The record of a run's data. It is enough to build the run's networks on a machine without the data."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bench.core.spec import Dataset, DataShape, Kind, Licensed, TaskName


class DataRecord(BaseModel):
    """Record of the shape of one example, the classes and the licence of a dataset."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    kind: Kind
    shape: tuple[Annotated[int, Field(ge=1)], ...]
    classes: Annotated[int, Field(ge=0)]
    class_names: tuple[str, ...]
    task: TaskName = "generation"
    given: tuple[Annotated[int, Field(ge=1)], ...] = ()
    licence: str = ""  # empty: not known
    attribution: str = ""

    @property
    def spec(self) -> DataShape:
        """Shape, number of classes and task as a `DataShape`, for the networks."""
        return DataShape(kind=self.kind, shape=self.shape, classes=self.classes, task=self.task, given=self.given)


def record_of(dataset: Dataset) -> DataRecord:
    """Return the record of a dataset. Loads no example."""
    spec = dataset.spec
    licence, attribution = (dataset.licence, dataset.attribution) if isinstance(dataset, Licensed) else ("", "")
    return DataRecord(
        kind=spec.kind, shape=spec.shape, classes=spec.classes, class_names=dataset.class_names, task=spec.task, given=spec.given,
        licence=licence, attribution=attribution,
    )  # fmt: skip
