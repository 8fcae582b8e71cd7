"""The network of the published FID. It loads the right weights only, and its features equal those of torch-fidelity."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.data import sources
from bench.metrics.extractors import extractor_for, inception
from tests.support.labelled import Labelled

Command = Callable[..., tuple[int, str, str]]
DIGITS = DATASETS.get("digits")


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide an empty hub folder, no path of a weights file, and no internet connection."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.delenv(inception.VARIABLE, raising=False)
    monkeypatch.setattr(sources, "download", unavailable)


def unavailable(url: str, **_: Any) -> bytes:
    raise sources.Unavailable(f"{url} does not answer (no network)")


def expect(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Set the expected hash of the weights to that of this content."""
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(content).hexdigest())


def test_no_weights_is_one_line_with_the_three_ways() -> None:
    with pytest.raises(UserError, match=r"cannot download the Inception weights \(.*no network\)") as error:
        extractor_for("inception", DIGITS)
    text = str(error.value)
    assert "\n" not in text
    assert all(way in text for way in ("--inception-weights PATH", "GANBENCH_INCEPTION_WEIGHTS=PATH", "or put it into", inception.FILE))


def test_the_file_that_was_named_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expect(monkeypatch, b"weights")
    for file in (tmp_path / "mine.pth", inception.hub_file()):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"weights")
    assert inception.find_weights() == inception.hub_file()
    monkeypatch.setenv(inception.VARIABLE, str(tmp_path / "mine.pth"))
    assert inception.find_weights() == tmp_path / "mine.pth"
    assert extractor_for("inception", DIGITS).weights_hash == inception.SHA256


def test_downloaded_once_into_the_hubs_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    expect(monkeypatch, b"weights")
    urls: list[str] = []
    monkeypatch.setattr(sources, "download", lambda url, **_: urls.append(url) or b"weights")
    with pytest.raises(UserError, match=re.escape(str(inception.hub_file()))):
        inception.find_weights(download=False)
    for _ in range(2):
        assert inception.find_weights() == inception.hub_file()
    assert urls == [inception.URL]
    assert inception.hub_file().read_bytes() == b"weights"


def test_what_comes_from_the_network_is_checked_before_it_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "download", lambda url, **_: b"something else")
    with pytest.raises(UserError, match="is not the file weights-inception"):
        inception.find_weights()
    assert not inception.hub_file().exists()


def test_a_file_that_is_not_plain_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")  # reading it would block
    for name in (tmp_path / "pipe", "/dev/zero"):
        monkeypatch.setenv(inception.VARIABLE, str(name))
        with pytest.raises(UserError, match="are not a plain file: name the file weights-inception"):
            inception.find_weights()


@pytest.mark.parametrize("content", [b"", b"other weights"])
def test_a_wrong_file_is_one_line(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wrong.pth").write_bytes(content)
    monkeypatch.setenv(inception.VARIABLE, str(tmp_path / "wrong.pth"))
    with pytest.raises(UserError, match=r"wrong\.pth' is not the file weights-.* its sha256 is .*, expected 6726825d0af5\.\.\.") as error:
        extractor_for("inception", DIGITS)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["missing.pth", "."])
def test_a_file_that_cannot_be_read_is_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(inception.VARIABLE, str(tmp_path / name))
    with pytest.raises(UserError, match=r"cannot be read|are not a plain file"):
        extractor_for("inception", DIGITS)


def test_a_file_that_changes_is_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expect(monkeypatch, b"weights")
    file = tmp_path / "mine.pth"
    file.write_bytes(b"weights")
    monkeypatch.setenv(inception.VARIABLE, str(file))
    inception.find_weights()
    file.write_bytes(b"other weights")
    with pytest.raises(UserError, match="is not the file"):
        inception.find_weights()


class Evil:
    """Object whose pickle runs a command when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (os.environ["EVIL"],)


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVIL", str(tmp_path / "made"))
    file = tmp_path / "evil.pth"
    torch.save({"fc.weight": Evil()}, file)
    expect(monkeypatch, file.read_bytes())
    monkeypatch.setenv(inception.VARIABLE, str(file))
    with pytest.raises(UserError, match="cannot be loaded") as error:
        extractor_for("inception", DIGITS)(DIGITS.split("test").data[:1])
    assert "\n" not in str(error.value)
    assert not (tmp_path / "made").exists()


def test_images_of_two_channels_are_one_line() -> None:
    with pytest.raises(
        UserError,
        match=r"^images of patterns have 2 channels, and Inception takes grey or RGB images: omit --inception-weights and evaluation.inception$",
    ):
        extractor_for("inception", Labelled(shape=(2, 8, 8)))


@pytest.mark.parametrize("words", [("evaluate", "images.npz", "--dataset", "digits"), ("run", "dcgan", "--dataset", "digits")])
def test_a_command_without_the_weights_is_refused_before_anything(
    words: tuple[str, ...], uri: str, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "images.npz", images=DIGITS.split("test").data.numpy())
    monkeypatch.setenv(inception.VARIABLE, "")  # so that the value that the option sets is removed after the test
    before = set(tmp_path.iterdir())
    status, _, output = command(*words, "--inception-weights", "nowhere.pth")
    assert status == 2
    assert "nowhere.pth' cannot be read: No such file or directory" in " ".join(output.split())
    assert {path.name for path in set(tmp_path.iterdir()) - before} <= {"cache"}


def test_the_option_and_its_opposite_are_one_line(uri: str, command: Command) -> None:
    status, _, output = command("run", "dcgan", "--set", "evaluation.inception=false", "--inception-weights", "x.pth")
    assert status == 2
    assert "evaluation.inception=False" in output
    assert "--inception-weights" in output


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (3, 3, 32, 32), (1, 3, 64, 48), (1, 3, 299, 299), (2, 3, 512, 400)])
def test_the_clean_resize_is_that_of_clean_fid(shape: tuple[int, ...]) -> None:
    """The clean resize equals Pillow's bicubic filter on float channels, clamped as in `make_resizer` of clean-fid 0.1.35."""
    images = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    found = inception.resized(images, "clean")
    pictures = [Image.fromarray(channel.astype(np.float32)) for channel in images.flatten(0, 1).numpy()]
    expected = np.stack([np.asarray(picture.resize((299, 299), resample=Image.Resampling.BICUBIC)).clip(0, 255) for picture in pictures])
    torch.testing.assert_close(found.flatten(0, 1), torch.from_numpy(expected), rtol=0, atol=1e-3)
    assert found.dtype == torch.float32
    assert (found != found.round()).any() == (shape[2] != 299)


def test_the_resizes_differ_where_images_shrink() -> None:
    """A fine checkerboard becomes grey with antialiasing, and another pattern without antialiasing."""
    board = ((torch.arange(598)[:, None] + torch.arange(598)) % 2 * 255).to(torch.uint8).expand(1, 3, -1, -1)
    clean, tensorflow = (inception.resized(board, resize)[..., 5:-5, 5:-5] for resize in ("clean", "tensorflow"))
    assert float(clean.std()) < 1 < float((clean - tensorflow).abs().max())
    assert float(clean.mean()) == pytest.approx(127.5, abs=0.5)


def test_the_resize_is_part_of_the_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expect(monkeypatch, b"weights")
    (tmp_path / "mine.pth").write_bytes(b"weights")
    monkeypatch.setenv(inception.VARIABLE, str(tmp_path / "mine.pth"))
    hashes = {extractor_for("inception", DIGITS, resize=resize).weights_hash for resize in ("tensorflow", "clean")}
    assert len(hashes) == 2
    assert inception.SHA256 in hashes, "the hash of the TensorFlow resize must equal that of earlier runs"


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of random weights with the right names and shapes, scaled so that activations do not vanish."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        shapes = inception.network_with({}).state_dict()
    generator = torch.Generator().manual_seed(0)
    state = {
        name: torch.randn(value.shape, generator=generator) * (2 / value[0].numel()) ** 0.5 if value.ndim > 1 else value
        for name, value in shapes.items()
    }
    file = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(state, file)
    return file


@pytest.mark.slow
def test_features_are_those_of_torch_fidelity(random_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    expect(monkeypatch, random_weights.read_bytes())
    monkeypatch.setenv(inception.VARIABLE, str(random_weights))
    rgb = Labelled(shape=(3, 32, 32)).split("test").data[:5]
    theirs = FeatureExtractorInceptionV3("theirs", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(random_weights))
    features, logits = theirs(rgb)
    extractor = extractor_for("inception", Labelled(shape=(3, 32, 32)))
    ours = extractor(rgb)
    assert ours.features.shape == (5, 2048)
    assert ours.features.dtype == torch.float32
    assert features.std(dim=0).mean() > 1e-3  # constant features would test nothing
    assert torch.equal(ours.features, features)
    assert ours.logits is not None
    assert torch.equal(ours.logits, logits)
    torch.testing.assert_close(extractor(rgb, batch_size=2).features, features, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_grey_images_are_seen_as_three_equal_channels(random_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expect(monkeypatch, random_weights.read_bytes())
    monkeypatch.setenv(inception.VARIABLE, str(random_weights))
    images = DIGITS.split("test").data[:4]
    grey = extractor_for("inception", DIGITS)(images).features
    tiled = extractor_for("inception", Labelled(shape=(3, 8, 8)))(images.repeat(1, 3, 1, 1)).features
    torch.testing.assert_close(grey, tiled, rtol=1e-5, atol=1e-6)
    assert grey.std(dim=0).mean() > 1e-3
