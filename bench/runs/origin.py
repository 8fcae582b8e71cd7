"""Origin of a run: tags for MLflow's columns Source, Version and User, and the train and test split as its dataset inputs."""

from __future__ import annotations

from bench.core.environment import source_commit
from bench.core.spec import Dataset
from bench.tracking.inputs import DataInput, data_inputs
from bench.tracking.tags import origin_tags

DTYPES = {"image": "uint8", "points": "float32"}  # of `bench.core.spec.Examples`


def origin() -> dict[str, str]:
    """Return the tags of a new run, or of a run that this process resumes."""
    return origin_tags(*source_commit())


def inputs_of(dataset: Dataset) -> list[DataInput]:
    """Return the inputs of a run on a dataset. Loads no example."""
    return data_inputs(dataset.name, dataset.digest(), dataset.spec.shape, DTYPES[dataset.spec.kind])
