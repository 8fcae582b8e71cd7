"""Section on health: all failures, flags and reasons."""

from __future__ import annotations

from pathlib import Path

from synthetic_results import SyntheticRun, results, synthetic_runs

from reports.document import Heading, Table, Text
from reports.sections import health
from reports.view import view


def tables(runs: list[SyntheticRun], folder: Path) -> dict[str, list[list[str]]]:
    section = health.build(view(results(runs, folder)))
    assert section is not None
    titles = [block.text for block in section.blocks if isinstance(block, Heading)]
    found = [block for block in section.blocks if isinstance(block, Table)]
    return {title: [[cell.text for cell in row.cells] for row in table.rows] for title, table in zip(titles, found, strict=True)}


def test_unfinished_runs_with_their_reasons(tmp_path: Path) -> None:
    runs = [
        *synthetic_runs({"a": (1.0,)}),
        SyntheticRun(variant="b", status="diverged", columns={"reason": "loss_g is nan"}),
        SyntheticRun(variant="b", seed=1, status="failed"),
    ]
    assert tables(runs, tmp_path) == {"Runs that did not finish": [["b", "0", "diverged", "loss_g is nan"], ["b", "1", "failed", "–"]]}


def test_equal_flags_of_several_seeds_are_one_row(tmp_path: Path) -> None:
    flags = [{"flag": "D too strong", "since_images": images, "message": "why"} for images in (45000, 46000)]
    runs = [SyntheticRun(variant="a", seed=seed, fid=1.0, evidence={"health": [flag]}) for seed, flag in enumerate(flags)]
    assert tables(runs, tmp_path) == {"Flags": [["a", "0, 1", "D too strong", "45,000, 46,000", "why"]]}


def test_reasons_of_missing_values(tmp_path: Path) -> None:
    runs = [
        SyntheticRun(variant="a", seed=seed, fid=1.0, evidence={"reasons": {"modes/collapse": "precision is under .05"}}) for seed in (0, 1)
    ]
    assert tables(runs, tmp_path) == {"Not judged": [["a", "0, 1", "collapse", "precision is under .05"]]}


def test_metrics_with_one_cause_share_a_row_with_their_errors(tmp_path: Path) -> None:
    reasons = {"quality/fid_classifier": "no features", "quality/fid_classifier_se": "no features", "modes/collapse": "no features"}
    reasons |= {"quality/recall_classifier_se": "too few for halves"}
    runs = [SyntheticRun(variant="a", fid=1.0, evidence={"reasons": reasons})]
    assert tables(runs, tmp_path) == {
        "Not judged": [["a", "0", "collapse, classifier-FID", "no features"], ["a", "0", "recall, standard error", "too few for halves"]]
    }


def test_odd_evidence_is_ignored(tmp_path: Path) -> None:
    runs = [SyntheticRun(variant="a", fid=1.0, evidence={"health": ["x", {"flag": "f", "since_images": None}], "reasons": []})]
    assert tables(runs, tmp_path) == {"Flags": [["a", "0", "f", "–", ""]]}


def test_a_healthy_suite_has_a_sentence() -> None:
    section = health.build(view(results(synthetic_runs({"a": (1.0, 2.0)}))))
    assert section is not None
    (sentence,) = section.blocks
    assert isinstance(sentence, Text)
    assert "All 2 runs finished" in sentence.text
