"""The data of a run as MLflow's dataset inputs: the train and the test split. Imports neither MLflow nor torch.

MLflow identifies a dataset by name and digest, so each split has its own digest: the first 16 digits of the dataset's digest, and the split.
`log_inputs` is idempotent: it stores each pair of a run and a dataset once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from mlflow import MlflowClient

DIGITS = 16  # of a digest. MLflow allows 36 characters
SPLITS = {"train": "training", "test": "testing"}  # MLflow's contexts of the splits
CONTEXT = "mlflow.data.context"  # MLflow's tag of an input
SOURCE = "ganbench"  # type of the source


class DataInput(BaseModel):
    """Record of one split of a dataset."""

    model_config = ConfigDict(frozen=True)
    name: Annotated[str, Field(max_length=500)]  # limits of MLflow
    digest: Annotated[str, Field(max_length=36)]
    context: str
    source: str  # JSON with the dataset and the split
    data_schema: str  # JSON in MLflow's form of arrays


def data_inputs(name: str, digest: str, shape: Sequence[int], dtype: str) -> list[DataInput]:
    """Return the inputs of a run on a dataset with this digest, examples [N, *shape] and dtype. Reads no data."""
    tensor = {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": [-1, *shape]}}
    schema = json.dumps({"mlflow_tensorspec": {"features": json.dumps([tensor]), "targets": None}})
    return [
        DataInput(
            name=name[:500], digest=f"{digest[:DIGITS]}-{split}", context=context, source=json.dumps({"dataset": name, "split": split}),
            data_schema=schema,
        )
        for split, context in SPLITS.items()
    ]  # fmt: skip


def send_inputs(client: MlflowClient, run_id: str, inputs: Sequence[dict[str, Any]]) -> None:
    """Log inputs of a run. Raises the errors of MLflow."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    datasets = [
        DatasetInput(
            Dataset(name=one["name"], digest=one["digest"], source_type=SOURCE, source=one["source"], schema=one["data_schema"]),
            [InputTag(CONTEXT, one["context"])],
        )
        for one in inputs
    ]
    client.log_inputs(run_id, datasets=datasets)
