"""Tests of decoding an image file: colour, transparency, depth, rotation, crop, scale and damaged files."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import photos
import pytest
from numpy.typing import NDArray
from PIL import Image

from bench.core.errors import UserError
from bench.data.folder import pixels as module
from bench.data.folder.pixels import header, opened, pixels


def read(path: Path, *, size: int = 16, crop: str = "center", channels: int = 3) -> NDArray[np.uint8]:
    return pixels(path, size=size, crop=crop, channels=channels)  # type: ignore[arg-type]


def test_an_image_of_the_right_size_is_not_touched(tmp_path: Path) -> None:
    path = photos.save(tmp_path / "a.png")
    with Image.open(path) as image:
        expected = np.asarray(image).transpose(2, 0, 1)
    for crop in ("center", "none"):
        np.testing.assert_array_equal(read(path, crop=crop), expected)


def test_center_keeps_the_square_in_the_middle_and_none_squeezes(tmp_path: Path) -> None:
    stripes = np.zeros((16, 48, 3), dtype=np.uint8)
    stripes[:, 16:32] = 255
    Image.fromarray(stripes).save(tmp_path / "wide.png")
    Image.fromarray(stripes.transpose(1, 0, 2)).save(tmp_path / "tall.png")
    for name in ("wide.png", "tall.png"):
        assert read(tmp_path / name).min() == 255
    row = read(tmp_path / "wide.png", crop="none")[0, 8]
    assert (row[[0, 15]] == 0).all()
    assert row[8] > 240


def test_scaling_down_averages_instead_of_picking_pixels(tmp_path: Path) -> None:
    board = np.indices((128, 128)).sum(0) % 2 * 255
    Image.fromarray(board.astype(np.uint8)).save(tmp_path / "board.png")
    small = read(tmp_path / "board.png", channels=1)[0, 2:-2, 2:-2]
    assert np.abs(small.astype(int) - 127).max() <= 3


def test_scaling_up_fills_the_size(tmp_path: Path) -> None:
    assert read(photos.save(tmp_path / "a.png", size=(9, 11)), size=64).shape == (3, 64, 64)


def test_a_rotation_in_the_exif_data_is_applied(tmp_path: Path) -> None:
    half = np.zeros((16, 16, 3), dtype=np.uint8)
    half[:8] = 255  # the upper half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    Image.fromarray(half).save(tmp_path / "a.jpg", exif=exif, quality=100)
    upright = read(tmp_path / "a.jpg")[0]
    assert upright[:, 9:].min() > 200
    assert upright[:, :7].max() < 50


def test_what_is_transparent_is_seen_over_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (16, 16), (200, 0, 0, 0))
    clear.paste((0, 0, 200, 255), (0, 0, 8, 16))
    clear.save(tmp_path / "a.png")
    image = read(tmp_path / "a.png")
    assert image[:, 0, 0].tolist() == [0, 0, 200]
    assert image[:, 0, 15].tolist() == [255, 255, 255]
    palette = Image.new("P", (16, 16), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.save(tmp_path / "p.png", transparency=0)
    assert read(tmp_path / "p.png")[:, 0, 0].tolist() == [10, 20, 30]


def test_sixteen_bits_become_eight_without_clipping(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65_535, 256).reshape(16, 16).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    assert header(tmp_path / "a.png").grey
    grey = read(tmp_path / "a.png", channels=1)
    assert grey.reshape(-1).tolist() == list(range(256))
    np.testing.assert_array_equal(read(tmp_path / "a.png"), np.repeat(grey, 3, axis=0))


def test_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read(tmp_path / "a.gif")[:, 8, 8].tolist() == [255, 0, 0]


@pytest.mark.parametrize(("mode", "suffix", "grey"), [("L", "png", True), ("1", "png", True), ("LA", "png", True), ("L", "jpg", True),
    ("RGB", "jpg", False), ("P", "png", False), ("RGBA", "webp", False), ("CMYK", "jpg", False), ("RGB", "bmp", False)])  # fmt: skip
def test_every_mode_is_read_in_grey_and_colour(tmp_path: Path, mode: str, suffix: str, grey: bool) -> None:
    path = photos.save(tmp_path / f"a.{suffix}", size=(20, 18), mode=mode)
    assert header(path).grey is grey
    assert (header(path).width, header(path).height) == (20, 18)
    for channels in (1, 3):
        image = read(path, channels=channels)
        assert image.shape == (channels, 16, 16)
        assert image.std() > 10


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("limit", [100, 200])  # Pillow warns above its limit and refuses above twice its limit
def test_an_image_above_pillows_own_limit_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    wide = photos.save(tmp_path / "a.png", size=(20, 18))
    before = [read(wide, crop=crop) for crop in ("center", "none")]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    monkeypatch.setattr(module, "_LARGE_PIXELS", limit)
    assert header(wide).width == 20
    with opened(wide):  # another open image lifts the limit, too
        np.testing.assert_array_equal([read(wide, crop=crop) for crop in ("center", "none")], before)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_an_image_above_our_limit_is_refused_with_the_limit_and_not_called_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = photos.save(tmp_path / "a.png", size=(20, 18))
    monkeypatch.setattr(module, "MOST_PIXELS", 359)
    for use in (header, read):
        with pytest.raises(UserError, match=r"a.png' has 360 pixels \(20x18\), and the limit is 359: scale it down") as caught:
            use(path)
        assert "broken" not in str(caught.value)
    monkeypatch.setattr(module, "MOST_PIXELS", 360)
    assert read(path).shape == (3, 16, 16)


@pytest.mark.parametrize("content", [b"", b"not an image", b"<html>404</html>"])
def test_a_file_that_is_not_an_image_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.jpg"
    path.write_bytes(content)
    for use in (header, read):
        with pytest.raises(UserError, match=r"the image '.*odd.jpg' is broken \(cannot identify image file\): repair or remove it"):
            use(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp"])
def test_an_image_cut_short_or_with_wrong_bytes_is_a_user_error_or_read_but_never_a_traceback(tmp_path: Path, suffix: str) -> None:
    content = photos.save(tmp_path / f"whole.{suffix}").read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=f"cut.{suffix}' is broken"):
        read(cut)
    random = np.random.default_rng(0)
    for _ in range(30):
        wrong = bytearray(content)
        wrong[random.integers(len(content))] ^= int(random.integers(1, 256))
        cut.write_bytes(wrong)
        with contextlib.suppress(UserError):  # any other error fails the test
            assert read(cut).shape == (3, 16, 16)


def test_another_kind_of_file_under_an_images_name_is_refused(tmp_path: Path) -> None:
    photos.save(tmp_path / "a.tiff").rename(tmp_path / "a.png")
    with pytest.raises(UserError, match="cannot identify"):
        read(tmp_path / "a.png")


def test_an_image_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", closed)
    with pytest.raises(UserError, match=r"cannot read the image '.*a.png' \(Permission denied\)"):
        read(tmp_path / "a.png")
