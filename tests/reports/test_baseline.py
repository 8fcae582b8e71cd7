"""Reading published results. Any other folder raises a one-line error."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd
import pytest
from synthetic_results import references, results, synthetic_runs

from bench.core.errors import UserError
from reports.baseline import read_baseline
from reports.baseline_check import check_baseline
from reports.export import ABOUT, PROTOCOLS, RUNS, write_csv


@pytest.fixture
def published(tmp_path: Path) -> Path:
    write_csv(results(synthetic_runs({"a": (1.0, 2.0, 3.0)})), tmp_path)
    return tmp_path


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as error:
        read_baseline(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        message = refused(folder)
        assert repr(str(folder)) in message
        assert "--csv" in message
        assert "about.json" in message


@pytest.mark.parametrize("name", [RUNS, PROTOCOLS])
def test_a_missing_file(published: Path, name: str) -> None:
    (published / name).unlink()
    assert name in refused(published)


@pytest.mark.parametrize(
    ("content", "named"),
    [(b"{", "JSON"), (b"\xff", "JSON"), (b"[]", "format None"), (b"{}", "format None"), (b'{"format": 9}', "format 9")],
)
def test_another_about(published: Path, content: bytes, named: str) -> None:
    (published / ABOUT).write_bytes(content)
    message = refused(published)
    assert ABOUT in message
    assert named in message


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "table"),
        (b"\xff\xfe,\n", "table"),
        (b'a,b\n"1\n', "table"),
        (b"a,b\n1,2,3\n1,2,3,4\n", "table"),
        (b"run_id,kind\n1,run\n", "'suite'"),
    ],
)
def test_another_table(published: Path, content: bytes, named: str) -> None:
    (published / RUNS).write_bytes(content)
    message = refused(published)
    assert RUNS in message
    assert named in message


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (",2.0,", ",two,", ("'two'",)),
        (",images,", ",epochs,", ("'epochs'", "images, generator_updates, train_seconds")),
        ("2025-01-02", "yesterday", ("yesterday",)),
        ("fashion-mnist,1,", "fashion-mnist,one,", ("'one'",)),
    ],
)
def test_a_value_of_another_kind(published: Path, old: str, new: str, named: tuple[str, ...]) -> None:
    text = (published / RUNS).read_text()
    assert old in text
    (published / RUNS).write_text(text.replace(old, new))
    message = refused(published)
    assert all(part in message for part in (RUNS, *named))


def test_results_older_than_a_column_are_read(published: Path) -> None:
    frame = pd.read_csv(published / RUNS, dtype=str, keep_default_na=False)
    frame.drop(columns="headline").to_csv(published / RUNS, index=False)
    older, _ = read_baseline(published)
    assert list(older.runs["headline"]) == [""] * 3
    assert [line.verdict for line in check_baseline(older, older)] == ["agrees"]


def test_reference_rows_alone(tmp_path: Path) -> None:
    write_csv(results(references()), tmp_path)
    assert repr(str(tmp_path)) in refused(tmp_path)


@pytest.mark.parametrize("seed", range(30))
def test_damaged_files_are_read_or_refused_in_one_line(published: Path, seed: int) -> None:
    noise = random.Random(seed)
    file = published / noise.choice([ABOUT, PROTOCOLS, RUNS])
    content = bytearray(file.read_bytes())
    for _ in range(noise.choice([1, 5])):
        at = noise.randrange(len(content))
        content[at : at + noise.choice([0, 1, 30])] = noise.choice([b"", b",", b'"', b"\n", b"\x00", b"\xff", b"inf", b"9" * 30])
    file.write_bytes(bytes(content))
    message = ""
    try:
        found, _ = read_baseline(published)
        check_baseline(found, found)
    except UserError as error:
        message = str(error)
    assert "\n" not in message
