"""Tests of `ganbench study`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from small_study import Fake

from bench.tracking.results import load

Ganbench = Callable[..., tuple[int, str, str]]
QUICK = ("study", "lr-k-quick", "--dataset", "digits", "--set", "budget.images=640", "--workers", "1")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("study lr-k-quik", "unknown study 'lr-k-quik'; did you mean 'lr-k-quick'"),
        ("study lr-k-quick --space lrk", "unknown space 'lrk'; did you mean 'lr-k'"),
        ("study lr-k-quick --dataset digits --space os:path", "'os:path' is a module, not a space"),
        ("study lr-k-quick --dataset digits --variants dcgann", "unknown variant 'dcgann'; did you mean 'dcgan'"),
        ("study lr-k-quick --variants ,", "',' contains no name"),
        ("study lr-k-quick --dataset digits --variants vanilla --space lucic-wide --set recipe.k=1", "recipe.k cannot be --set"),
        ("study lr-k-quick --dataset digits --sampler cma", "unknown sampler 'cma'"),
        ("study lr-k-quick --dataset digits --pruner wilcoxon", "needs --search-seeds 5 or more, not 1"),
        ("study lr-k-quick --dataset digits --trials 0", "--trials takes 1 to 100,000, not 0"),
        ("study lr-k-quick --dataset digits --objective quality/fid", "did you mean 'quality/fid_distilled' or 'quality/fid_classifier'"),
        (
            "study lr-k-quick --dataset digits --objective quality/fid_classifier,perf/train_seconds",
            "--pruner median needs a single objective",
        ),
        ("study lr-k-quick --dataset digits --storage sqlite:///x.db", "--storage sqlite:///x.db is neither a path"),
        ("study lr-k-quick --dataset digits --storage postgresql://me:secret@127.0.0.1:9/x", "does not answer"),
        ("study lr-k-quick --dataset digits --workers 99", "--workers takes 1 to"),
        ("study lr-k-quick --dataset digits --name quick", "the name 'quick' belongs to an experiment that is not a study"),
        ("study lr-k-quick --dataset digits --name ../up", "bad study name '../up'"),
        ("study lr-k-quick --dataset digits --set evaluation.marks=0", "evaluation.marks=0: set at least 1, or --pruner none"),
        ("study lr-k-quick --dataset digits --runs-dir /proc/none", "cannot be written: No such file or directory"),
        (
            "study lr-k-quick --dataset digits --set recipe.batch_size=5000",
            "recipe.batch_size: 5000 is more than the 1,297 training examples",
        ),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(ganbench: Ganbench, words: str, message: str) -> None:
    status, out, err = ganbench(*words.split())
    assert (status, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert "secret" not in err
    assert not list(Path.cwd().iterdir())


def test_a_store_that_does_not_answer_is_reported_before_anything_is_written(ganbench: Ganbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    status, _, err = ganbench(*QUICK)
    assert (status, len(err.strip().splitlines())) == (2, 1)
    assert "the tracking store http://127.0.0.1:9 does not answer" in err
    assert not list(Path.cwd().iterdir())


def test_a_dry_run_prints_the_plan(ganbench: Ganbench) -> None:
    status, out, _ = ganbench(*QUICK, "--trials", "4", "--seeds", "2", "--dry-run")
    assert status == 0
    text = " ".join(out.split())
    assert "wgan-gp 4 640 images digits" in text
    assert "1 seed a trial, sampler tpe, pruner median; then the best and the default on 2 fresh seeds" in text
    assert not list(Path.cwd().iterdir())


def test_a_study_ends_with_its_best_recipes(ganbench: Ganbench, monkeypatch: pytest.MonkeyPatch) -> None:
    Fake(monkeypatch, lambda config: 1e4 * config.recipe.lr_g)
    words = (*QUICK, "--trials", "3", "--seeds", "0", "--variants", "label-smoothed", "--name", "mine")
    status, out, err = ganbench(*words)
    assert status == 0, err
    assert "[3/3] label-smoothed trial 2: " in out
    assert "mine: best of the search" in out
    assert "ganbench run label-smoothed --dataset digits --set" in " ".join(out.split())
    assert {"studies.journal", "mlflow.db"} <= {path.name for path in Path.cwd().iterdir()}
    assert ganbench(*words)[0] == 0
    status, _, err = ganbench(*words, "--space", "lr-k-tied")
    assert status == 2
    assert "the study 'mine/label-smoothed' already exists with another space (lr-k, not lr-k-tied)" in err
    assert load(f"sqlite:///{Path.cwd() / 'mlflow.db'}", ("mine",)).runs.empty  # `Fake` records no runs


@pytest.mark.slow
def test_a_variant_that_crashes_is_exit_status_one(ganbench: Ganbench, monkeypatch: pytest.MonkeyPatch) -> None:
    Fake(monkeypatch, lambda _: "failed")
    status, out, _ = ganbench(*QUICK, "--trials", "5", "--seeds", "0", "--variants", "label-smoothed")
    assert status == 1
    assert "label-smoothed: the search has stopped, because too many trials fail" in out
