"""Tests of devices, precision and the recorded description of a machine."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from bench.core import environment
from bench.core.errors import UserError

CPU = torch.device("cpu")


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)


def test_a_device_has_the_name_of_its_model(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"model of {device}")
    assert environment.device_name(torch.device("cuda", 1)) == "model of cuda:1"
    assert environment.device_name(CPU) == environment.cpu_name()


def test_a_gpu_is_preferred(two_gpus):
    assert environment.chosen_device("auto") == "cuda"
    assert environment.device_of("cuda:1") == torch.device("cuda", 1)


@pytest.mark.parametrize(("device", "waited"), [("cpu", []), ("cuda", ["cuda"]), ("cuda:1", ["cuda:1"]), ("mps", ["mps"])])
def test_a_device_with_a_queue_is_waited_for(monkeypatch, device, waited):
    found = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda which: found.append(str(which)))
    monkeypatch.setattr(torch.mps, "synchronize", lambda: found.append("mps"))
    environment.synchronise(torch.device(device))
    assert found == waited


@pytest.mark.parametrize("emulated", [True, False])
def test_emulated_bf16_is_not_native(two_gpus, monkeypatch, emulated):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or not emulated)
    assert environment.native_bf16(torch.device("cuda")) is not emulated


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps"])
def test_a_device_that_is_not_here_is_refused_in_one_line(no_gpu, name):
    with pytest.raises(UserError, match=f"no device '{name}' on this machine.*cpu") as caught:
        environment.device_of(name)
    assert "\n" not in str(caught.value)


def test_an_index_past_the_last_gpu_is_refused_with_the_nearest(two_gpus):
    with pytest.raises(UserError, match="cuda:1"):
        environment.device_of("cuda:2")


@pytest.mark.parametrize(
    ("table", "native"),
    [
        ({"avx512_bf16": True, "amx_bf16": False}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"avx512_bf16": False, "avx512_f": True}, False),
        ({}, False),
    ],
)
def test_the_processor_is_asked_for_bf16_instructions(monkeypatch, table, native):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: table, raising=False)
    environment._cpu_has_bf16.cache_clear()
    assert environment._cpu_has_bf16() is native
    environment._cpu_has_bf16.cache_clear()


def test_a_torch_that_does_not_say_counts_as_no(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    environment._cpu_has_bf16.cache_clear()
    assert environment._cpu_has_bf16() is False
    environment._cpu_has_bf16.cache_clear()


def test_the_kernel_agrees_with_torch_about_bf16():
    flags = Path("/proc/cpuinfo")
    if not flags.exists() or "flags" not in flags.read_text():
        pytest.skip("this machine has no /proc/cpuinfo with x86 flags")
    assert environment._cpu_has_bf16() is any(flag in flags.read_text().split() for flag in ("avx512_bf16", "amx_bf16"))


def test_describe_has_every_key_and_no_path():
    facts = environment.describe(CPU, threads=1, precision="fp32")
    assert list(facts) == [
        "python", "platform", "cpu", "cores", "memory_gb", "device", "device_name", "threads", "precision", "native_bf16",
        "torch", "torchvision", "numpy", "mlflow", "torch_fidelity", "ganbench", "commit", "dirty",
    ]  # fmt: skip
    assert facts["torch"] == torch.__version__.partition("+")[0] or str(facts["torch"]).startswith(torch.__version__.partition("+")[0])
    assert facts["cores"] >= 1
    assert str(Path.home()) not in json.dumps(facts)
    assert str(Path(environment.__file__).parents[2]) not in json.dumps(facts)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch):
    """Yield a function that runs git in a new checkout, which `source_commit` takes for its own."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")

    def git(*words: str) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        return subprocess.run(["git", "-C", str(tmp_path), *identity, *words], capture_output=True, text=True, check=True).stdout.strip()

    (tmp_path / "bench/core").mkdir(parents=True)
    (tmp_path / "bench/core/environment.py").write_text("")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "--no-gpg-sign", "--no-verify", "-m", "first")
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "bench/core/environment.py"))
    environment.source_commit.cache_clear()
    yield git
    environment.source_commit.cache_clear()


def test_commit_of_a_clean_and_of_a_changed_checkout(checkout, tmp_path):
    commit = checkout("rev-parse", "HEAD")
    assert environment.source_commit() == (commit, False)
    (tmp_path / "bench/new.py").write_text("")
    environment.source_commit.cache_clear()
    assert environment.source_commit() == (commit, True)


def test_an_installed_copy_inside_somebody_elses_repository_has_no_commit(checkout, tmp_path, monkeypatch):
    inside = tmp_path / "site-packages/bench/core"
    inside.mkdir(parents=True)
    monkeypatch.setattr(environment, "__file__", str(inside / "environment.py"))
    environment.source_commit.cache_clear()
    assert environment.source_commit() == (None, None)
