"""Checkpoints that `ganbench runs prune` removes, and those that stay."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.core.text import harmless
from bench.runs.lock import FILE, run_lock
from bench.runs.old_checkpoints import DAY
from bench.tracking.client import Tracker

Ganbench = Callable[..., tuple[int, str, str]]
FINGERPRINTS = ["0123456789abcde" + digit for digit in "0123"]


def checkpoint(fingerprint: str, *, days: float) -> Path:
    """Create checkpoints of this age for a run, and return their folder."""
    folder = Path.cwd() / "runs" / "small" / fingerprint
    folder.mkdir(parents=True)
    for name in ("state.safetensors", "state-before.safetensors"):
        (folder / name).write_bytes(b"x" * 1_000_000)
        os.utime(folder / name, (0, time.time() - days * DAY))
    return folder


def test_only_old_checkpoints_are_removed_and_only_with_yes(ganbench: Ganbench, uri: str) -> None:
    log = Tracker(uri, "small").start_run("r", {"kind": "run", "variant": "dcgan", "seed": "7", "fingerprint": FINGERPRINTS[0]}, {})
    log.finish("finished")
    old, new = checkpoint(FINGERPRINTS[0], days=40), checkpoint(FINGERPRINTS[1], days=20)
    status, out, _ = ganbench("runs", "prune", "--older-than", "30")
    assert status == 0
    row = next(line for line in out.splitlines() if FINGERPRINTS[0] in line)
    assert row.split()[1:] == ["dcgan", "7", "finished", "40.0", "2.0"]
    assert FINGERPRINTS[1] not in out
    assert "--yes" in out
    assert len(list(old.iterdir())) == 2
    status, out, _ = ganbench("runs", "prune", "--older-than", "30", "--yes")
    assert status == 0
    assert not old.exists()
    assert len(list(new.iterdir())) == 2
    assert ganbench("runs", "prune", "--older-than", "30", "--yes")[0] == 0
    ganbench("runs", "prune", "--older-than", "0", "--yes")
    assert not (Path.cwd() / "runs" / "small").exists()
    assert Tracker(uri, "small").client.get_run(log.run_id).data.tags["status"] == "finished"


def test_a_run_of_another_process_or_with_pending_results_stays(ganbench: Ganbench, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    busy, pending = checkpoint(FINGERPRINTS[0], days=40), checkpoint(FINGERPRINTS[1], days=40)

    def away(*_: object) -> None:
        raise ConnectionError("away")

    with monkeypatch.context() as patch:
        patch.setattr("bench.tracking.delivery.send", away)
        Tracker(uri, "small").start_run("r", {"kind": "run", "fingerprint": FINGERPRINTS[1]}, {}, folder=pending).finish("finished")
    with run_lock([busy / FILE], give_up=lambda: True):
        status, out, _ = ganbench("runs", "prune", "--older-than", "30", "--yes")
    assert status == 0
    assert [path.stat().st_size for folder in (busy, pending) for path in folder.glob("state*")] == [1_000_000] * 4
    assert sum("stays: " in line for line in out.splitlines()) == 2
    ganbench("sync")
    ganbench("runs", "prune", "--older-than", "30", "--yes")
    assert not busy.exists()
    assert not pending.exists()


def test_control_characters_of_a_store_have_no_effect(ganbench: Ganbench, uri: str) -> None:
    tags = {"kind": "run", "variant": "dc\x1b[2Jgan", "seed": "7\u202e", "fingerprint": FINGERPRINTS[0]}
    Tracker(uri, "small").start_run("r", tags, {}).finish("finished")
    checkpoint(FINGERPRINTS[0], days=40)
    status, out, _ = ganbench("runs", "prune", "--older-than", "30")
    assert status == 0
    assert "dc\ufffd[2Jgan" in out
    assert harmless(out) == out


@pytest.mark.parametrize(
    ("words", "message"), [(("--older-than", "-1"), "-1"), (("--older-than", "inf"), "inf"), (("--older-than", "1", "--runs-dir", "rnus"), "runs"), ((), "--older-than")]
)  # fmt: skip
def test_mistakes_are_one_line(ganbench: Ganbench, words: tuple[str, ...], message: str) -> None:
    folder = checkpoint(FINGERPRINTS[0], days=40)
    status, out, err = ganbench("runs", "prune", *words, "--yes")
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert message in err
    assert len(list(folder.iterdir())) == 2
