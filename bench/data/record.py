"""The record of a run's data, from which its networks can be built where the data is not available."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bench.core.spec import Dataset, DataShape, Kind


class DataRecord(BaseModel):
    """The shape of one example and the classes of a dataset."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    kind: Kind
    shape: tuple[Annotated[int, Field(ge=1)], ...]
    classes: Annotated[int, Field(ge=0)]
    class_names: tuple[str, ...]

    @property
    def spec(self) -> DataShape:
        """The same facts as a `DataShape`, which networks take."""
        return DataShape(kind=self.kind, shape=self.shape, classes=self.classes)


def record_of(dataset: Dataset) -> DataRecord:
    """Return the record of a dataset. Loads no example."""
    spec = dataset.spec
    return DataRecord(kind=spec.kind, shape=spec.shape, classes=spec.classes, class_names=dataset.class_names)
