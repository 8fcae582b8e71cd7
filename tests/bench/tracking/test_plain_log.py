"""The file `metrics.jsonl`, which has every point once, also after a full disk."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from bench.tracking.journal import Point
from bench.tracking.plain_log import FILE, PlainLog


def at(images: int, **values: float) -> list[Point]:
    return [(images, images / 10, f"train/{key}", value, 1000 + images) for key, value in values.items()]


def read(folder: Path) -> list[dict[str, Any]]:
    def none(_: str) -> float:
        raise AssertionError("not JSON")

    return [json.loads(line, parse_constant=none) for line in (folder / FILE).read_text().splitlines()]


def test_a_line_for_each_position(tmp_path: Path) -> None:
    log, points = PlainLog(tmp_path / "run"), []
    for images in (10, 20):
        points += (new := at(images, loss_d=0.5, loss_g=math.nan))
        log.write(points, new)
    assert read(tmp_path / "run") == [
        {"images": images, "seconds": images / 10, "train/loss_d": 0.5, "train/loss_g": None} for images in (10, 20)
    ]


def test_a_resumed_run_rewrites_the_whole_file(tmp_path: Path) -> None:
    PlainLog(tmp_path).write(at(10, a=1.0) + at(20, a=9.0), at(20, a=9.0))
    reader = (tmp_path / FILE).open()
    again = at(10, a=1.0) + at(20, a=2.0)
    PlainLog(tmp_path).write(again, again[1:])
    assert [line["train/a"] for line in read(tmp_path)] == [1.0, 2.0]
    with reader:
        assert len(reader.readlines()) == 2  # `tail -f` continues with the same file


def test_a_full_disk_stops_no_run_and_leaves_no_partial_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log, points = PlainLog(tmp_path), at(10, a=1.0)
    log.write(points, points)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        for images in (20, 30):
            points += at(images, a=1.0)
            log.write(points, points[-1:])
    assert caplog.text.count("cannot be written") == 1
    (tmp_path / FILE).write_text('{"images": 10}\n{"ima')
    points += at(40, a=1.0)
    log.write(points, points[-1:])
    assert [line["images"] for line in read(tmp_path)] == [10, 20, 30, 40]
