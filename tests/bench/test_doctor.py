"""Each check of the doctor, well and ill."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import doctor
from bench.doctor import check_store


def test_doctor_checks_everything_and_writes_nothing(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    checks = {check.name: check for check in doctor.doctor()}
    assert set(checks) >= {
        "python",
        "packages",
        "device",
        "cores",
        "precision",
        "data fashion-mnist",
        "data digits",
        "extractor digits",
        "tracking store",
        "ray",
        "disk",
    }
    assert all(check.found for check in checks.values())
    assert all(check.advice for check in checks.values() if not check.ok), "what is wrong comes with advice"
    assert checks["data digits"].ok
    assert not checks["data fashion-mnist"].ok
    assert checks["data fashion-mnist"].advice == "run `ganbench data fetch fashion-mnist`"
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(doctor, "installed", lambda package: None if package == "mlflow" else "1.0")
    check = doctor.check_packages()
    assert not check.ok
    assert "mlflow missing" in check.found


def test_without_ray_runs_go_one_after_another(monkeypatch):
    monkeypatch.setattr(doctor, "installed", lambda package: None)
    assert "one after another" in doctor.check_ray().advice


def test_a_full_disk(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1e9))
    assert doctor.check_disk(tmp_path) == doctor.Check(name="disk", ok=False, found="1.0 GB free", advice="have at least 2 GB free")


def test_a_new_store_in_a_writable_folder_is_fine(tmp_path: Path):
    check = check_store(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert check.ok
    assert "made by the first run" in check.found
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_no_database(tmp_path: Path):
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"this is no database, whatever its name says" * 100)
    check = check_store(f"sqlite:///{path}")
    assert not check.ok
    assert "cannot be opened" in check.found
    assert "\n" not in check.found


def test_a_store_in_a_folder_that_is_not_there(tmp_path: Path):
    check = check_store(f"sqlite:///{tmp_path / 'nowhere' / 'mlflow.db'}")
    assert not check.ok
    assert "cannot be written" in check.found


@pytest.mark.parametrize("uri", ["postgresql://user:secret@127.0.0.1:9/db", "http://user:secret@127.0.0.1:9"])
def test_a_store_that_does_not_answer_is_named_without_its_password(uri):
    check = check_store(uri)
    assert not check.ok
    assert "127.0.0.1:9" in check.found
    assert "secret" not in repr(check)


def test_cores_are_counted(monkeypatch):
    monkeypatch.setattr(doctor, "cores", lambda: 1)
    assert "one after another" in doctor.check_cores().advice
