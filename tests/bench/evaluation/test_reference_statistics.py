"""Reference statistics of a file. They are part of the evaluation protocol, and wrong content gives a one-line error."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.core.config import DATASETS, Resize
from bench.core.errors import UserError
from bench.evaluation import reference_statistics
from bench.evaluation.evaluator import Evaluator, reference_images
from bench.evaluation.reference_statistics import read_statistics
from bench.metrics.extractors import INCEPTION, Features, inception, select
from bench.metrics.fidelity import fit_gaussian, frechet_distance

Command = Callable[..., tuple[int, str, str]]
DIGITS = DATASETS.get("digits")
WIDTH = 8
FID, KID, SCORE = "quality/fid_inception", "quality/kid_inception", "quality/inception_score"


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the published Inception network by random projections of the pixels to 8 features."""
    monkeypatch.setattr(reference_statistics, "WIDTH", WIDTH)
    monkeypatch.setattr(select, "load_inception", Projections)


class Projections:
    """Fake extractor of the kind `inception` that needs no weights and records the numbers of images."""

    name = INCEPTION
    measured: list[int]

    def __init__(self, dataset: object = None, resize: Resize = "tensorflow") -> None:
        self.weights_hash = f"projections {resize}"
        self._projection = torch.randn(64, WIDTH, generator=torch.Generator().manual_seed(0))

    def __call__(self, images: torch.Tensor, *, batch_size: int = 64) -> Features:
        Projections.measured.append(len(images))
        features = images.flatten(1).float() @ self._projection / 100
        return Features(features=features, logits=features)

    def check(self, images: torch.Tensor) -> None:
        """Accept any image."""


def statistics(**changed: Any) -> dict[str, Any]:
    """Return the arrays of a valid file, computed by `Projections` from 300 real images."""
    Projections.measured = []
    gaussian = fit_gaussian(Projections()(DIGITS.split("train").data[:300]).features)
    Projections.measured = []
    stated = {"n": 300, "extractor": "inception", "resize": "clean"}
    return {"mu": gaussian.mean, "sigma": gaussian.covariance, **stated, **changed}


def saved(path: Path, arrays: dict[str, Any]) -> Path:
    np.savez(path, **arrays)
    return path


def evaluator(path: Path | str, **how: Any) -> Evaluator:
    return Evaluator(DIGITS, samples=200, inception=True, errors=False, resize="clean", statistics=str(path), **how)


def test_the_distance_is_the_one_to_the_statistics(tmp_path: Path) -> None:
    arrays = statistics()
    with_file = evaluator(saved(tmp_path / "s.npz", arrays))
    images = reference_images(DIGITS, 200)
    found = with_file.full(images)
    expected = frechet_distance(
        fit_gaussian(Projections()(images).features), fit_gaussian(Projections()(DIGITS.split("train").data[:300]).features)
    )
    assert found.values[FID] == pytest.approx(expected, rel=1e-6)
    assert expected > 1e-3  # a distance of 0 would test nothing
    assert math.isnan(found.values[KID])
    assert "no features of single images" in found.reasons[KID]
    assert math.isfinite(found.values[SCORE]) == (SCORE not in found.reasons)
    plain = Evaluator(DIGITS, samples=200, inception=True, errors=False, resize="clean").full(images).values
    assert plain[FID] != pytest.approx(expected, rel=1e-3)


def test_the_test_images_go_through_no_network(tmp_path: Path) -> None:
    with_file = evaluator(saved(tmp_path / "s.npz", statistics()))
    with_file.prepare()
    with_file.full(reference_images(DIGITS, 200))
    assert Projections.measured == [200]


def test_standard_errors_need_no_test_images_either(tmp_path: Path) -> None:
    path = saved(tmp_path / "s.npz", statistics())
    found = Evaluator(DIGITS, samples=200, inception=True, resize="clean", statistics=str(path), metrics=(FID, KID)).full(
        reference_images(DIGITS, 200)
    )
    assert 0 < found.values[f"{FID}_se"] < found.values[FID]
    assert f"{KID}_se" not in found.values


def test_too_few_images_give_no_distance(tmp_path: Path) -> None:
    found = evaluator(saved(tmp_path / "s.npz", statistics(n=WIDTH))).full(reference_images(DIGITS, 200))
    assert math.isnan(found.values[FID])
    assert "more images than features, not 8 images" in found.reasons[FID]


def test_the_protocol_holds_resize_and_content(tmp_path: Path) -> None:
    arrays = statistics()

    def protocol(resize: Resize, path: Path | None) -> dict[str, str]:
        how = {"statistics": str(path)} if path else {}
        return Evaluator(DIGITS, samples=200, inception=True, resize=resize, **how).protocol()

    files = [
        saved(tmp_path / "a.npz", arrays), saved(tmp_path / "b.npz", {**arrays, "n": 301}), saved(tmp_path / "c.npz", {**arrays, "mu": arrays["mu"] + 0.5}),
    ]  # fmt: skip
    protocols = [protocol("tensorflow", None), protocol("clean", None), *(protocol("clean", path) for path in files)]
    assert len({found[FID] for found in protocols}) == len(protocols)
    rest = [{key: value for key, value in found.items() if "inception" not in key} for found in protocols]
    assert all(found == rest[0] for found in rest)
    again = saved(tmp_path / "again.npz", {**arrays, "more": np.zeros(3)})
    assert protocol("clean", again) == protocol("clean", files[0]), "the same content must give the same evaluation protocol"


def turned(matrix: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the matrix with a negative value in place of its largest eigenvalue."""
    values, vectors = np.linalg.eigh(matrix)
    values[-1] *= -0.1
    return (vectors * values) @ vectors.T


BAD: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = {
    "wide mu": (lambda a: {"mu": np.zeros(9)}, r"mu of .* must be floats \[8\], not float64 \[9\]"),
    "mu of integers": (lambda a: {"mu": np.zeros(8, dtype=int)}, r"must be floats \[8\], not int64"),
    "flat sigma": (lambda a: {"sigma": np.ones(64)}, r"sigma of .* must be floats \[8, 8\], not float64 \[64\]"),
    "complex sigma": (lambda a: {"sigma": a["sigma"] + 0j}, "sigma of .* must be floats .*, not complex128"),
    "NaN in mu": (lambda a: {"mu": np.full(8, np.nan)}, "mu of .* has infinite or NaN values"),
    "infinity in sigma": (lambda a: {"sigma": np.full((8, 8), np.inf)}, "sigma of .* has infinite or NaN values"),
    "asymmetric": (lambda a: {"sigma": a["sigma"] + np.triu(np.ones((8, 8)), 1)}, "not a covariance, because it is not symmetric"),
    "indefinite": (lambda a: {"sigma": turned(a["sigma"])}, "not a covariance: its smallest eigenvalue is -"),
    "negative": (lambda a: {"sigma": -np.eye(8)}, "not a covariance: its smallest eigenvalue is -1"),
    "one image": (lambda a: {"n": 1}, "n of .* must be a whole number of images, at least 2, not 1"),
    "n of floats": (lambda a: {"n": 300.0}, "n of .* must be a whole number"),
    "several n": (lambda a: {"n": [300, 300]}, "n of .* must be a whole number"),
    "another extractor": (lambda a: {"extractor": "clip"}, "extractor of .* is 'clip'; there is inception"),
    "extractor of numbers": (lambda a: {"extractor": 7}, "extractor of .* is 7; there is inception"),
    "another resize": (lambda a: {"resize": "cleam"}, "resize of .* is 'cleam'; did you mean 'clean'"),
    "the other resize": (lambda a: {"resize": "tensorflow"}, "--set evaluation.inception_resize=tensorflow"),
    "objects": (lambda a: {"sigma": np.array([{}], dtype=object)}, "is not an .npz file of numbers, or is damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_content_is_one_line(name: str, tmp_path: Path) -> None:
    change, message = BAD[name]
    arrays = statistics()
    with pytest.raises(UserError, match=message) as error:
        evaluator(saved(tmp_path / "s.npz", {**arrays, **change(arrays)}))
    assert "\n" not in str(error.value)
    assert "s.npz" in str(error.value)


def test_rounding_of_float32_is_no_mistake(tmp_path: Path) -> None:
    arrays = statistics()
    rank_one = np.outer(arrays["mu"], arrays["mu"]).astype(np.float32)  # singular, with eigenvalues just below 0
    read_statistics(saved(tmp_path / "s.npz", {**arrays, "mu": arrays["mu"].astype(np.float32), "sigma": rank_one}), "clean")


def test_a_member_that_is_no_array_is_a_missing_one(tmp_path: Path) -> None:
    arrays = statistics()
    path = saved(tmp_path / "theirs.npz", {name: value for name, value in arrays.items() if name != "n"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("n", b"300")
    with pytest.raises(UserError, match="has no n: "):
        evaluator(path)


@pytest.mark.parametrize("missing", [("n",), ("n", "extractor", "resize")])
def test_what_other_programs_leave_out_is_named_with_the_way_to_state_it(missing: tuple[str, ...], tmp_path: Path) -> None:
    arrays = statistics()
    path = saved(tmp_path / "theirs.npz", {name: value for name, value in arrays.items() if name not in missing})
    with pytest.raises(UserError, match=f"has no {', '.join(missing)}: ") as error:
        evaluator(path)
    (code,) = [part for part in str(error.value).split('"') if part.startswith("import numpy")]
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)  # the code in the error message works
    assert read_statistics(tmp_path / "stated.npz", "clean").n == 50_000


@pytest.mark.parametrize("content", [b"", b"text", pickle.dumps({"mu": 1}), b"PK\x03\x04"], ids=["empty", "text", "pickle", "cut"])
def test_another_file_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "s.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"is not an .npz file of numbers, or is damaged"):
        evaluator(tmp_path / "s.npz")


def test_a_member_that_is_no_array_is_one_line(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for name in ("mu", "sigma", "n"):
            archive.writestr(f"{name}.npy", b"not an array")
    with pytest.raises(UserError, match=r"^[^\n]*damaged[^\n]*$"):
        read_statistics(tmp_path / "x.npz", "tensorflow")


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "missing.npz", "cannot be read: No such file"),
        (tmp_path, "are not a plain file"),
        (Path("a\0b"), "cannot be read"),
    ):
        with pytest.raises(UserError, match=message):
            read_statistics(path, "clean")


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = saved(tmp_path / "s.npz", statistics())
    first = read_statistics(path, "clean")
    saved(path, statistics(n=1234567))
    assert read_statistics(path, "clean").n == 1234567 != first.n


@pytest.mark.parametrize(
    "words", [("evaluate", "images.npz", "--dataset", "digits"), ("run", "dcgan", "--dataset", "digits"), ("suite", "smoke", "--dry-run")]
)
def test_a_command_with_bad_statistics_is_refused_before_anything(words: tuple[str, ...], uri: str, ganbench: Command) -> None:
    np.savez("images.npz", images=DIGITS.split("test").data.numpy())
    saved(Path("s.npz"), statistics(n=1))
    before = set(Path().iterdir())
    settings = ("evaluation.inception=true", "evaluation.inception_resize=clean", "evaluation.inception_statistics=s.npz")
    status, out, err = ganbench(*words, *(word for setting in settings for word in ("--set", setting)))
    assert (status, out, len(err.strip().splitlines())) == (2, "", 1)
    assert "at least 2" in err
    assert set(Path().iterdir()) == before


def test_the_width_is_that_of_the_published_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert reference_statistics.WIDTH == inception.WIDTH == 2_048
