"""Folders of image files as external samples. The reader reads, refuses or ignores each file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from external import DATA, GREY, RGB, some
from PIL import Image
from torch import Tensor

from bench.core.errors import UserError
from bench.data.folder import pixels
from bench.evaluation.external_images import ImageRequirements
from bench.evaluation.image_folder import is_lossless_webp, read_folder


def pictures(folder: Path, images: Tensor, mode: str = "") -> Path:
    for index, image in enumerate(images):
        array = image[0].numpy() if len(image) == 1 else image.permute(1, 2, 0).numpy()
        picture = Image.fromarray(array)
        (picture.convert(mode) if mode else picture).save(folder / f"{index:03d}.png")
    return folder


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_pictures_are_read_in_order_as_the_data_wants(tmp_path: Path, mode: str) -> None:
    pictures(tmp_path, some(), mode)
    (tmp_path / "notes.txt").write_text("no picture")
    assert torch.equal(read_folder(tmp_path, GREY), some())
    wide = ImageRequirements(dataset="colours", shape=(3, 8, 8), fewest=10, levels=DATA)
    assert torch.equal(read_folder(tmp_path, wide), some().expand(-1, 3, -1, -1))


def test_coloured_pictures_stay_coloured(tmp_path: Path) -> None:
    images = some(shape=(3, 8, 6))
    assert torch.equal(read_folder(pictures(tmp_path, images), RGB), images)


def test_wrong_pictures_are_named(tmp_path: Path) -> None:
    def refusal() -> str:
        with pytest.raises(UserError) as error:
            read_folder(tmp_path, GREY)
        assert len(str(error.value).splitlines()) == 1
        return str(error.value)

    assert "no images in the folder" in refusal()
    (tmp_path / "sub").mkdir()
    assert "it contains 1 sub-folder" in refusal()
    (tmp_path / "sub").rmdir()
    pictures(tmp_path, some(9))
    assert "9 images are too few" in refusal()
    pictures(tmp_path, some(12))
    odd = tmp_path / "005.png"
    Image.new("L", (9, 8)).save(odd)
    assert "005.png' is 9x8, and digits has 8x8" in refusal()
    for mode in ("RGBA", "LA", "I;16"):
        Image.new(mode, (8, 8)).save(odd)
        assert "005.png' " in refusal()
        assert "use 8-bit grey or RGB without transparency" in refusal()
    Image.new("L", (8, 8)).save(odd, transparency=3)
    assert "with transparency" in refusal()
    Image.new("CMYK", (8, 8)).save(odd, format="JPEG")
    assert "005.png' is CMYK" in refusal()
    Image.new("L", (8, 8)).save(odd, format="TIFF")
    assert "005.png' is broken (cannot identify image file)" in refusal()
    Image.new("L", (8, 8)).save(odd)
    whole = odd.read_bytes()
    for end in range(0, len(whole) - 4, 3):  # the last four bytes are the checksum of an empty chunk
        odd.write_bytes(whole[:end])
        assert "005.png" in refusal()
    deep = whole[:24] + bytes([16, 2]) + whole[26:]  # 16 bits, RGB
    odd.write_bytes(deep)
    assert "005.png' has 16 bits a channel" in refusal()
    frames = [Image.new("L", (8, 8), level) for level in (0, 255)]
    frames[0].save(odd, save_all=True, append_images=frames[1:])
    assert "005.png' is an animation" in refusal()
    odd.unlink()
    odd.mkdir()
    assert "005.png' is not a plain file" in refusal()
    odd.rmdir()
    os.mkfifo(odd)
    assert "005.png' is not a plain file" in refusal()


def test_ignored_entries_are_counted_in_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pictures(tmp_path, some(12))
    (tmp_path / "._000.png").write_bytes(b"not a picture")
    assert len(read_folder(tmp_path, GREY)) == 12
    assert not caplog.text
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "sub").mkdir()
    pictures(tmp_path / "sub", some(12))
    assert len(read_folder(tmp_path, GREY)) == 12
    assert "12 images read, 1 sub-folder and 1 file of other kinds ignored" in caplog.text


def saved_as(folder: Path, suffix: str, images: Tensor, **options: object) -> Path:
    folder.mkdir()
    for index, image in enumerate(images):
        array = image[0].numpy() if len(image) == 1 else image.permute(1, 2, 0).numpy()
        Image.fromarray(array).save(folder / f"{index:03d}{suffix}", **options)  # type: ignore[arg-type]
    return folder


@pytest.mark.parametrize(("suffix", "options"), [(".png", {}), (".PNG", {}), (".bmp", {}), (".gif", {}), (".webp", {"lossless": True}),
    (".webp", {"lossless": True, "icc_profile": b"odd" * 5})])  # fmt: skip
def test_formats_without_loss_give_the_same_bytes_and_no_warning(
    tmp_path: Path, suffix: str, options: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    images = some()
    assert torch.equal(read_folder(saved_as(tmp_path / "x", suffix, images, **options), GREY), images)
    assert not caplog.text


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".webp"])
def test_lossy_formats_are_read_with_a_warning(tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture) -> None:
    smooth = torch.linspace(40, 200, 48).view(1, 1, 8, 6).repeat(11, 3, 1, 1).to(torch.uint8)
    folder = saved_as(tmp_path / "x", suffix, smooth, quality=95)
    pictures(folder, smooth[:1])  # one PNG image
    read = read_folder(folder, RGB)
    assert read.shape == (12, 3, 8, 6)
    assert (read.int() - smooth[0].int()).abs().max() < 25
    assert "11 of the 12 images" in caplog.text
    assert "compression changes FID" in caplog.text


def test_a_jpeg_under_the_name_of_a_png_is_still_lossy(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    saved_as(tmp_path / "x", ".png", some(), format="JPEG")
    assert len(read_folder(tmp_path / "x", GREY)) == 12
    assert "12 of the 12 images" in caplog.text


def test_a_picture_is_turned_upright_as_in_training(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a viewer turns the picture by 90 degrees clockwise
    images = some(shape=(3, 6, 8))
    saved_as(tmp_path / "x", ".png", images, exif=exif)
    assert torch.equal(read_folder(tmp_path / "x", RGB), images.rot90(-1, (2, 3)))


def test_a_huge_image_is_named_by_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(tmp_path, some(12))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    Image.new("L", (9, 90)).save(tmp_path / "005.png")
    with pytest.raises(UserError, match=r"005.png' is 9x90, and digits has 8x8"):
        read_folder(tmp_path, GREY)
    monkeypatch.setattr(pixels, "MOST_PIXELS", 809)
    with pytest.raises(UserError, match=r"005.png' has 810 pixels"):
        read_folder(tmp_path, GREY)


def test_the_first_bytes_of_a_webp_tell_its_compression() -> None:
    start = b"RIFF\0\0\0\0WEBP"
    assert is_lossless_webp(start + b"VP8L\1\0\0\0")
    assert is_lossless_webp(start + b"VP8X\3\0\0\0abc\0VP8L\1\0\0\0")
    assert not is_lossless_webp(start + b"VP8 \1\0\0\0")
    assert not is_lossless_webp(start + b"ICCP\xff\xff\xff\xffVP8L")
    assert not is_lossless_webp(start)
    assert not is_lossless_webp(b"")
