"""Tests of the emoji: the reader on a small font, and pictures, labels and splits on the real font where it is cached."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import pytest
import torch
from colour_font import colour_font
from PIL import Image

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.core.spec import Licensed
from bench.data.emoji import dataset as module
from bench.data.emoji.dataset import CLASS_NAMES, EMOJI, EMOJI_32, FONT, NOTO, EmojiImages, NotoFont, of_this_version, split_emoji
from bench.data.emoji.font import Emoji, read_font
from bench.data.fetched import KnownFile
from bench.data.sources import Source, Unavailable

ZWJ, WOMAN, MAN = 0x200D, 0x1F469, 0x1F468
TONES = range(0x1F3FB, 0x1F400)


def png_of(level: int) -> bytes:
    """Return a grey picture as a PNG file."""
    file = io.BytesIO()
    Image.new("RGBA", (16, 8), (level, level, level, 255)).save(file, "PNG")
    return file.getvalue()


def test_a_font_gives_pictures_of_characters_and_ligatures() -> None:
    emoji = read_font(colour_font({"😀": b"face", "🔥": b"fire", "👍🏽": b"tone", "👩‍🚀": b"space"}))
    assert {one.png: "".join(map(chr, one.sequence)) for one in emoji} == {b"face": "😀", b"fire": "🔥", b"tone": "👍🏽", b"space": "👩‍🚀"}
    assert [one.sequence for one in emoji] == sorted(one.sequence for one in emoji)


def test_parts_of_emoji_and_equal_pictures_are_left_out() -> None:
    emoji = read_font(colour_font({"🏽": b"swatch", "🇸": b"letter", "7": b"seven", "😀": b"same", "😁": b"same", "🇸🇪": b"flag"}))
    assert ["".join(map(chr, one.sequence)) for one in emoji] == ["🇸🇪", "😀"]


@pytest.fixture
def small_font(cache_folder, monkeypatch: pytest.MonkeyPatch, source) -> EmojiImages:
    """Return a dataset of a small font with 70 faces, 70 hands in three skin tones and 70 flags."""
    hands = [chr(0x1F440 + index) + tone for index in range(70) for tone in ("", "🏻", "🏿")]
    flags = [chr(0x1F1E6 + index // 10) + chr(0x1F1E6 + index % 10) for index in range(70)]
    texts = [*(chr(0x1F600 + index) for index in range(70)), *hands, *flags]
    content = colour_font({text: png_of(0) + bytes(str(index), "ascii") for index, text in enumerate(texts)})
    known = KnownFile(name=FONT.name, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(module, "FONT", known)
    font = NotoFont(name="small", title="Small", sources=(source("shop", {known.name: content}),))
    return replace(EMOJI, name="small", font=font, side=8)


def test_a_dataset_fetches_its_font_and_draws_both_splits(small_font: EmojiImages) -> None:
    assert "ganbench data fetch small" in str(small_font.missing())
    assert small_font.fetch() == "shop"
    assert small_font.missing() is None
    train, test = small_font.split("train"), small_font.split("test")
    assert train.labels is not None
    assert test.labels is not None
    assert train.data.shape == (350 - len(test), 3, 8, 8)
    assert test.labels.bincount().tolist() == [10, 30, 10], "the test split is not a seventh of each label"
    assert train.data.unique().tolist() == [0, 255], "the pictures are black on white"
    with pytest.raises(UserError, match="'val'"):
        small_font.split("val")  # type: ignore[arg-type]


def test_a_font_of_another_version_is_refused() -> None:
    other = Source(name="shop", read=lambda sizes: {FONT.name: b"other"})
    with pytest.raises(Unavailable, match=r"not version 2\.042"):
        of_this_version(other).read({FONT.name: 5})
    assert "Debian 12" in NOTO.by_hand


def test_variants_of_an_emoji_are_in_one_split() -> None:
    texts = [chr(0x1F440 + index) + tail for index in range(60) for tail in ("", "🏻", "🏿", "‍♀️", "🏽‍♂️")]
    splits = split_emoji([Emoji(sequence=tuple(map(ord, text)), png=text.encode()) for text in texts])
    train, test = ({one.sequence[0] for one, _ in splits[name]} for name in ("train", "test"))
    assert not train & test
    assert len(train) + len(test) == 60
    assert all(sum(one.sequence[0] == first for one, _ in splits["test"]) == 5 for first in test)


def test_sizes_differ_in_the_digest_and_the_digest_never_changes() -> None:
    assert EMOJI.digest() == "5a0893802767511fdcfd34d177fb2160bc679b9a008a8664c2c31ff724cdae3f"
    assert EMOJI_32.digest() == "b047126a9e6079d70684051d7e3b9e69ca700f4b6fa668a11de488142403d7b8"
    assert DATASETS.get("emoji-edges").digest() == "8f8c7680a55e2970cf35e3a2ac27ed538a20b73e5e464d497130f32b86bdc203"
    assert DATASETS.get("emoji-32-edges").digest() == "003cdf0725233fba6116921724187028f665eda306769d73de5716065a8ac110"


def test_the_licence_is_that_of_the_font_also_for_derived_data() -> None:
    for name in ("emoji", "emoji-32", "emoji-edges", "emoji-32-edges"):
        dataset = DATASETS.get(name)
        assert isinstance(dataset, Licensed)
        assert dataset.licence == "OFL-1.1"
        assert "Google" in dataset.attribution


@pytest.fixture(scope="module")
def real() -> dict[str, list[tuple[Emoji, int]]]:
    """Return the splits of the real font, or skip the test if it is not cached."""
    reason = EMOJI.missing()
    if reason is not None:
        pytest.skip(reason)
    (content,) = NOTO.contents(NOTO.files)
    return {str(name): chosen for name, chosen in split_emoji(read_font(bytes(content))).items()}


def plain(sequence: tuple[int, ...]) -> tuple[int, ...]:
    """Return an emoji without skin tone and gender, in a way of its own: the persons of a sequence all become one."""
    points = [point for point in sequence if point not in TONES and point not in (ZWJ, 0xFE0F, 0x2640, 0x2642)]
    return tuple(sorted(MAN if point in (MAN, WOMAN, 0x1F9D1) else point for point in points))


def test_no_skin_tone_or_gender_of_an_emoji_is_in_the_other_split(real) -> None:
    train, test = ({plain(one.sequence) for one, _ in real[name] if len(one.sequence) > 1} for name in ("train", "test"))
    singles = {plain(one.sequence) for one, _ in real["train"]}
    leaks = (test & train) | (test & singles)
    assert not {base for base in leaks if not any(0x1F1E6 <= point <= 0x1F1FF for point in base)}, "only flags may have equal letters"


def test_no_picture_is_in_both_splits(real) -> None:
    for dataset in (EMOJI, EMOJI_32):
        train, test = ({image.numpy().tobytes() for image in dataset.split(name).data} for name in ("train", "test"))  # type: ignore[arg-type]
        assert not train & test
        assert len(train) == len(real["train"]), "two training images are equal"


def test_the_real_font_has_people_flags_and_others(real) -> None:
    counts = {name: torch.tensor([label for _, label in chosen]).bincount().tolist() for name, chosen in real.items()}
    assert counts == {"train": [1098, 1917, 301], "test": [182, 318, 50]}
    assert CLASS_NAMES == ("other", "people and hands", "flags")
