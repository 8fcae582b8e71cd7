"""Checks of the machine, with and without problems."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.cli import machine_checks
from bench.runs.auto_choice import Choice


def test_without_ray_runs_go_one_after_another(monkeypatch):
    monkeypatch.setattr(machine_checks, "installed", lambda package: None)
    (check,) = machine_checks.check_ray(deep=True)
    assert (check.ok, check.needed, check.mark) == (False, False, "--")
    assert "one after another" in check.advice
    assert not list(machine_checks.check_shared_memory())


@pytest.mark.parametrize(
    ("code", "ok", "found"),
    [
        ("pass", True, "yes"),
        ("import sys; sys.exit('too little\\nmemory')", False, "memory"),
        ("import time; time.sleep(60)", False, "does not start within 1 s"),
    ],
)
def test_ray_starts_in_a_subprocess(monkeypatch, code: str, ok: bool, found: str):
    monkeypatch.setattr(machine_checks, "installed", lambda package: "2.0")
    monkeypatch.setattr(machine_checks, "_TRY_RAY", code)
    monkeypatch.setattr(machine_checks, "RAY_SECONDS", 60.0 if ok else 1.0 if "sleep" in code else 60.0)
    version, started = machine_checks.check_ray(deep=True)
    assert (version.found, started.ok, started.needed) == ("2.0", ok, False)
    assert found in started.found
    assert [check.name for check in machine_checks.check_ray()] == ["ray"]


@pytest.mark.parametrize(("free", "ok", "needed"), [(3e9, True, True), (1e9, False, False), (1e6, False, True)])
def test_a_disk_fails_only_where_it_is_full(tmp_path: Path, monkeypatch, free: float, ok: bool, needed: bool):
    monkeypatch.setattr(machine_checks.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    check = machine_checks.check_disk("disk", tmp_path / "not" / "yet", 2.0, "cd")
    assert (check.ok, check.needed) == (ok, needed)
    assert check.advice == ("" if ok else "free 2 GB, or cd")
    assert not list(tmp_path.iterdir())


def test_facts_of_a_machine_with_many_devices(monkeypatch):
    monkeypatch.setattr(machine_checks, "devices", lambda: ["cuda:0", "mps", "cpu"])
    monkeypatch.setattr(machine_checks, "device_of", lambda name: name)
    monkeypatch.setattr(machine_checks, "device_name", lambda device: f"Model {device}")
    monkeypatch.setattr(machine_checks.torch.cuda, "get_device_properties", lambda name: SimpleNamespace(total_memory=80e9))
    monkeypatch.setattr(machine_checks.torch.mps, "recommended_max_memory", lambda: 11e9)
    monkeypatch.setattr(machine_checks, "memory_gb", lambda: None)
    monkeypatch.setattr(machine_checks, "source_commit", lambda: ("0123456789abcdef", True))
    seconds = {"products": {"fp32": 2.0, "bf16": 1.0}, "convolutions": {"fp32": 1.1, "bf16": 1.0}}
    choice = Choice(precision="fp32", memory_format="channels_last", seconds=seconds)
    monkeypatch.setattr(
        machine_checks,
        "choice_here",
        lambda kind, *, save: choice if not save else pytest.fail("the check saves the choice"),
    )
    facts = machine_checks.machine_facts()
    assert [facts[f"device {name}"] for name in ("cuda:0", "mps", "cpu")] == [
        "Model cuda:0, 80 GB",
        "Model mps, 11 GB of the machine's memory",
        "Model cpu, memory unknown",
    ]
    assert facts["commit"].startswith("0123456789ab ")
    for part in ("cuda", "fp32", "channels_last", "2.00", "1.10"):
        assert part in facts["auto"]


def test_small_shared_memory_is_reported_with_a_command(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(machine_checks, "installed", lambda package: "2.0")
    monkeypatch.setattr(machine_checks, "_SHARED", tmp_path)
    monkeypatch.setattr(machine_checks.shutil, "disk_usage", lambda folder: SimpleNamespace(total=64e6))
    (check,) = machine_checks.check_shared_memory()
    assert (check.ok, check.needed) == (False, False)
    assert "--shm-size" in check.advice


@pytest.mark.slow
def test_ray_really_starts():
    pytest.importorskip("ray")
    assert subprocess.run([sys.executable, "-c", machine_checks._TRY_RAY], timeout=120, check=False).returncode == 0
