"""Reference rows. All stores and `evaluate` share one measurement, which is repeated after a change of its definition."""

from __future__ import annotations

import importlib.util
import logging
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from small import same_numbers

from bench.core.config import DATASETS, VARIANTS, Evaluation
from bench.core.spec import Dataset, DataShape
from bench.core.threads import limited_threads
from bench.evaluation import reference_rows
from bench.evaluation.evaluator import Evaluator, Measurement, reference_images
from bench.evaluation.reference_rows import KINDS, _untrained_config, reference_row, row_hash
from bench.evaluation.sampling import sample
from bench.metrics.columns import SE, Card
from bench.metrics.evidence import METRICS, Evidence, metric
from bench.runs.reference_rows import MADE_BY, has_reference, measure_reference
from bench.tracking import results, store
from bench.tracking.artifacts import Artifacts
from bench.tracking.client import Lookup, Tracker
from bench.tracking.results import REFERENCES
from bench.training.build import assemble

BRIGHTNESS = Card(key="quality/brightness", title="brightness", direction="none", meaning="Mean grey level.")
DATA = DATASETS.get("digits")
PLAIN = Evaluation(samples=50, standard_errors=False)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of reference rows in a separate cache for the test."""
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "references"


def digits(n: int = 50, *, errors: bool = False) -> Evaluator:
    return Evaluator(DATA, samples=n, errors=errors)


def rows(cache: Path) -> list[str]:
    """Return the names of the files of whole rows, without the files of statistics of real images."""
    return sorted(path.name for kind in KINDS for path in cache.glob(f"digits-{kind}-*.safetensors"))


def full_evaluations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the number of examples of every later full evaluation."""
    calls: list[int] = []

    def full(self: Evaluator, images: torch.Tensor, *, really=Evaluator.full, **walks: Any) -> Measurement:  # type: ignore[no-untyped-def]
        calls.append(len(images))
        return really(self, images, **walks)

    monkeypatch.setattr(Evaluator, "full", full)
    return calls


def test_a_row_is_measured_once_and_equals_a_new_measurement(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with limited_threads(1):
        expected = digits().full(reference_images(DATA, 50))
    calls = full_evaluations(monkeypatch)
    first, again = reference_row("real", digits()), reference_row("real", digits())
    assert same_numbers(first.measurement.values, again.measurement.values)
    assert first.seconds == again.seconds > 0
    assert same_numbers(first.measurement.values, expected.values)
    assert first.measurement.evidence == again.measurement.evidence == expected.evidence
    assert first.measurement.nearest is again.measurement.nearest is None
    assert calls == [50]
    reference_row("real", digits(51))
    assert calls == [50, 51]
    assert len(rows(cache)) == 2


def test_a_row_with_standard_errors_is_another_row(cache: Path) -> None:
    plain = reference_row("real", digits()).measurement.values
    both = reference_row("real", digits(errors=True)).measurement.values
    assert same_numbers({key: both[key] for key in plain}, plain)
    assert {key for key in both if key.endswith(SE)} == set(both) - set(plain) >= {f"diversity/pairwise_distance{SE}"}
    assert len(rows(cache)) == 2
    assert same_numbers(reference_row("real", digits(errors=True)).measurement.values, both)


@pytest.mark.slow
def test_rows_of_points_and_of_stacked_images(uri: str) -> None:
    for data, keys in (("ring8", {"modes", "points", "centres", "sd"}), ("stacked-digits", {"modes", "spectrum"})):
        evaluator = Evaluator(DATASETS.get(data), samples=50, errors=False)
        found = {kind: measure_reference(kind, data, PLAIN, uri) for kind in KINDS}
        assert evaluator.headline.startswith("modes/")
        assert found["real"].values[evaluator.headline] < found["untrained"].values[evaluator.headline]
        for kind in KINDS:
            assert has_reference(Lookup.of(uri, REFERENCES), kind, evaluator)
            (run,) = Tracker(uri, REFERENCES).find_reference(kind, data, evaluator.protocol_hash)
            assert run.data.tags["headline"] == evaluator.headline
            artifacts = Artifacts(store.connect(uri), {run.info.run_id: run.info.artifact_uri})
            assert set(artifacts.read_json(run.info.run_id, results.EVIDENCE) or {}) == {"n", "reasons"} | keys
            assert artifacts.get(run.info.run_id, results.FINAL_GRID) is not None


def test_only_a_generator_has_a_path_length() -> None:
    real, untrained = (reference_row(kind, digits()).measurement for kind in ("real", "untrained"))
    assert math.isnan(real.values["diversity/path_length"])
    assert "needs the generator" in real.reasons["diversity/path_length"]
    assert untrained.values["diversity/path_length"] > 0


def test_nan_and_its_reason_are_cached() -> None:
    first, again = reference_row("untrained", digits()), reference_row("untrained", digits())
    assert math.isnan(first.measurement.values["modes/collapse"])
    assert math.isnan(again.measurement.values["modes/collapse"])
    assert "not judged" in again.measurement.reasons["modes/collapse"]
    assert again.measurement.reasons == first.measurement.reasons


def test_another_version_of_the_untrained_variant_is_another_row(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {kind: row_hash(kind, digits()) for kind in KINDS}
    for kind in KINDS:
        assert not has_reference(Lookup.of(uri, REFERENCES), kind, digits())
        measure_reference(kind, "digits", PLAIN, uri)
        assert has_reference(Lookup.of(uri, REFERENCES), kind, digits())
    newer = VARIANTS.get("dcgan").__class__(**{**vars(VARIANTS.get("dcgan")), "version": VARIANTS.get("dcgan").version + 1})
    with monkeypatch.context() as patch:
        patch.setitem(VARIANTS._items, "dcgan", newer)
        assert row_hash("real", digits()) == before["real"]
        assert row_hash("untrained", digits()) != before["untrained"]
        assert has_reference(Lookup.of(uri, REFERENCES), "real", digits())
        assert not has_reference(Lookup.of(uri, REFERENCES), "untrained", digits())
    with monkeypatch.context() as patch:
        patch.setattr(reference_rows, "RESULTS_VERSION", reference_rows.RESULTS_VERSION + 1)
        assert not any(has_reference(Lookup.of(uri, REFERENCES), kind, digits()) for kind in KINDS)
    assert all(has_reference(Lookup.of(uri, REFERENCES), kind, digits()) for kind in KINDS)


def test_a_row_in_which_a_metric_raised_is_measured_again(tables: None, uri: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    works = False

    def brightness(evidence: Evidence) -> float:
        return float(evidence.images.float().mean()) if works else 1 / 0

    metric(BRIGHTNESS)(brightness)
    assert math.isnan(measure_reference("real", "digits", PLAIN, uri).values[BRIGHTNESS.key])
    assert not rows(cache)
    assert not has_reference(Lookup.of(uri, REFERENCES), "real", digits())
    works = True
    assert measure_reference("real", "digits", PLAIN, uri).values[BRIGHTNESS.key] > 0
    assert len(rows(cache)) == 1
    assert has_reference(Lookup.of(uri, REFERENCES), "real", digits())


def test_an_edited_metric_is_measured_again(tables: None, uri: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = row_hash("real", digits())
    values = [
        measure_reference("real", "digits", PLAIN, uri).values[BRIGHTNESS.key] for _ in written(tmp_path, ("1.0", "1.0", "2.0", "1.0"))
    ]
    assert values == [1.0, 1.0, 2.0, 1.0]
    assert len(rows(cache)) == 2
    assert row_hash("real", digits()) != ours
    METRICS.pop(BRIGHTNESS.key)
    assert row_hash("real", digits()) == ours


def written(folder: Path, answers: Iterable[str]) -> Iterator[None]:
    """Register a metric from a new file for each answer, and yield after each registration."""
    for number, answer in enumerate(answers):
        METRICS.pop(BRIGHTNESS.key, None)
        path = folder / f"my_metric_{number}.py"
        path.write_text(f"def brightness(evidence):\n    return {answer}\n")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
        metric(BRIGHTNESS)(module.brightness)
        yield


def test_a_metric_without_source_is_measured_each_time(tables: None, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metric(BRIGHTNESS)(eval("lambda evidence: 3.0"))  # like a function defined in a shell
    calls = full_evaluations(monkeypatch)
    for _ in range(2):
        assert reference_row("real", digits()).measurement.values[BRIGHTNESS.key] == 3.0
    assert (calls, rows(cache)) == ([50, 50], [])


def test_a_store_gets_the_cached_row(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row = reference_row("untrained", digits())
    calls = full_evaluations(monkeypatch)
    result = measure_reference("untrained", "digits", PLAIN, uri)
    assert not calls
    (run,) = Tracker(uri, REFERENCES).find_reference("untrained", "digits", digits().protocol_hash)
    assert run.data.metrics["quality/fid_classifier"] == row.measurement.values["quality/fid_classifier"]
    assert run.data.metrics["perf/evaluate_seconds"] == row.seconds
    assert run.data.tags[MADE_BY] == row_hash("untrained", digits())
    assert result.run_id == run.info.run_id


def test_a_missing_store_has_no_rows(tmp_path: Path) -> None:
    assert not has_reference(Lookup.of(f"sqlite:///{tmp_path}/none.db", REFERENCES), "real", digits())
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_damaged_row_is_logged_and_replaced(cache: Path, caplog: pytest.LogCaptureFixture, content: bytes | None) -> None:
    first = reference_row("real", digits())
    (path,) = [cache / name for name in rows(cache)]
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"class_names", b"class_game") if content is None else content)
    with caplog.at_level(logging.WARNING):
        assert same_numbers(reference_row("real", digits()).measurement.values, first.measurement.values)
    assert "measuring this row again" in caplog.text
    assert len(path.read_bytes()) == pytest.approx(len(whole), abs=20)


def test_a_cache_that_cannot_be_written_changes_no_number(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = reference_row("real", digits()).measurement.values
    monkeypatch.setenv("GANBENCH_CACHE", "/proc/nowhere")
    with caplog.at_level(logging.WARNING):
        assert same_numbers(reference_row("real", digits()).measurement.values, expected)
    assert "the next process measures this row again" in caplog.text


@pytest.mark.parametrize(
    ("shape", "networks"), [((1, 8, 8), "dcgan"), ((3, 64, 64), "dcgan"), ((1, 18, 18), "dcgan-deep"), ((3, 20, 36), "dcgan-deep")]
)
def test_images_of_any_size_have_an_untrained_generator(shape: tuple[int, int, int], networks: str) -> None:
    class Sized:
        spec = DataShape(kind="image", shape=shape)

    config = _untrained_config(cast("Dataset", Sized()))
    assert config.networks == networks
    nets, _ = assemble(config, Sized.spec)
    assert sample(nets, n=3, seed=0, batch_size=3, device=torch.device("cpu")).shape == (3, *shape)
