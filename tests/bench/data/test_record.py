"""Tests of the record of a run's data."""

from __future__ import annotations

from bench.core.config import DATASETS
from bench.data.record import DataRecord, record_of


def test_the_record_has_shape_task_and_licence() -> None:
    record = record_of(DATASETS.get("emoji-edges"))
    assert record.spec == DATASETS.get("emoji-edges").spec
    assert (record.licence, record.attribution) == ("OFL-1.1", "Noto Color Emoji 2.042, copyright 2022 Google Inc.")
    assert record_of(DATASETS.get("fashion-x4")).licence == "MIT"
    assert (record_of(DATASETS.get("digits")).licence, record_of(DATASETS.get("ring8")).attribution) == ("", "")


def test_records_of_earlier_versions_are_read() -> None:
    earlier = DataRecord.model_validate({"kind": "image", "shape": [1, 8, 8], "classes": 2, "class_names": ["a", "b"]})
    assert (earlier.spec.task, earlier.spec.given, earlier.licence) == ("generation", (), "")
