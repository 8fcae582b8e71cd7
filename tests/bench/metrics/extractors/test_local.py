"""Classifiers trained on the user's machine. All processes share one training, and none loads a damaged classifier."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.metrics.extractors import ExtractorCard, classifier_is_ready, extractor_for, kinds_of, local, packed_classifier, training_plan
from bench.metrics.extractors import classifier_training as training
from bench.metrics.extractors.local import classifier_folder, sent, trained, trained_folders
from bench.metrics.extractors.training_plan import plan_for
from tests.support import photos
from tests.support.labelled import Labelled

PATTERNS = Labelled()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit the training to about a second, which suffices for these easy patterns."""
    monkeypatch.setattr(training_plan, "MOST_EPOCHS", 15)
    monkeypatch.setattr(training_plan, "FEWEST_STEPS", 40)


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets the name of the dataset of each training."""
    names: list[str] = []
    real = local.train_extractor
    monkeypatch.setattr(local, "train_extractor", lambda dataset, *a, **k: names.append(dataset.name) or real(dataset, *a, **k))
    return names


def test_trained_once_and_then_read(cache: Path, trainings: list[str]) -> None:
    assert kinds_of(PATTERNS) == ("classifier", "pixels")
    assert not classifier_is_ready(PATTERNS)
    assert not cache.exists()  # neither call trains a classifier
    first, second = (extractor_for("classifier", PATTERNS) for _ in range(2))
    assert trainings == ["patterns"]
    assert classifier_is_ready(PATTERNS)
    assert first.weights_hash == second.weights_hash
    images = PATTERNS.split("test").data
    assert torch.equal(first(images).features, second(images).features)


def test_it_has_learned_and_its_card_says_how() -> None:
    card, test = trained(PATTERNS).card, PATTERNS.split("test")
    assert test.labels is not None
    features = trained(PATTERNS)(test.data)
    assert features.predictions.eq(test.labels).double().mean().item() == card.accuracy > 0.9
    assert card.command == "python -m bench.metrics.extractors.train patterns"
    assert (card.torch, card.epochs, card.data_digest) == (torch.__version__, plan_for(PATTERNS).epochs, PATTERNS.digest())
    assert card.where
    train = trained(PATTERNS)(PATTERNS.split("train").data).features
    assert train.mean(dim=0).abs().max() < 1e-4
    assert train.var(dim=0).mean() == pytest.approx(1.0, rel=1e-3)


def test_other_data_of_the_same_name_has_its_own(trainings: list[str]) -> None:
    other = replace(PATTERNS, train=121)
    assert trained(PATTERNS).weights_hash != trained(other).weights_hash
    assert len(trainings) == len(list(trained_folders())) == 2


def test_the_same_data_gives_the_same_bits_and_threads_are_as_before(cache: Path) -> None:
    threads = torch.get_num_threads()
    first = trained(PATTERNS).weights_hash
    for file in classifier_folder(PATTERNS, plan_for(PATTERNS)).iterdir():
        file.unlink()
    assert trained(PATTERNS).weights_hash == first
    assert torch.get_num_threads() == threads


def test_two_at_once_train_it_once(trainings: list[str]) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(trained(PATTERNS).weights_hash)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trainings == ["patterns"]
    assert len(found) == 2
    assert len(set(found)) == 1


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-5])


def empty_card(file: Path) -> None:
    file.with_name("card.json").write_text("{}")


@pytest.mark.parametrize("damage", [cut, Path.unlink, empty_card])
def test_a_damaged_one_is_trained_again_with_a_warning(
    damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture, trainings: list[str]
) -> None:
    first = trained(PATTERNS).weights_hash
    damage(classifier_folder(PATTERNS, plan_for(PATTERNS)) / "weights.safetensors")
    assert trained(PATTERNS).weights_hash == first
    assert trained(PATTERNS).weights_hash == first
    assert len(trainings) == 2
    assert [record.message.count("retraining the classifier") for record in caplog.records if record.levelname == "WARNING"] == [1]


def test_one_of_other_data_is_not_taken(caplog: pytest.LogCaptureFixture, trainings: list[str]) -> None:
    other = replace(PATTERNS, name="others", classes=4)
    theirs, mine = classifier_folder(PATTERNS, plan_for(PATTERNS)), classifier_folder(other, plan_for(other))
    trained(PATTERNS)
    shutil.copytree(theirs, mine)
    assert trained(other).card.classes == 4
    assert trainings == [PATTERNS.name, "others"]
    assert "belongs to patterns" in caplog.text


def test_a_class_without_a_test_image_is_logged(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    photos.fill(tmp_path / "photos", 40, classes=("bird", "cat"))
    photos.save(tmp_path / "photos" / "dodo" / "only.png")
    dataset = DATASETS.get(f"folder:{tmp_path / 'photos'}")
    assert kinds_of(dataset) == kinds_of(PATTERNS) == ("classifier", "pixels")
    assert [record.message.partition(": ")[2] for record in caplog.records] == [
        "its test split has no image of the class 'dodo', so metrics of classes are less informative"
    ]


def test_a_poor_classifier_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert trained(Labelled(learnable=False)).card.accuracy < 0.6
    assert "its features are not informative" in caplog.text


def test_a_good_one_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    trained(PATTERNS)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="cannot write to the data cache") as error:
        trained(PATTERNS)
    assert "\n" not in str(error.value)


def test_class_folders_get_one_though_a_class_has_one_image(tmp_path: Path) -> None:
    photos.fill(tmp_path / "photos", 40, classes=("bird", "cat"))
    photos.save(tmp_path / "photos" / "dodo" / "only.png")
    dataset = DATASETS.get(f"folder:{tmp_path / 'photos'}")
    features = extractor_for("classifier", dataset)(dataset.split("test").data)
    assert features.logits is not None
    assert features.logits.shape == (len(dataset.split("test")), 3)
    assert features.features.isfinite().all()
    card = ExtractorCard.model_validate(json.loads((next(trained_folders()) / "card.json").read_text()))
    assert card.dataset == dataset.name


def test_ten_labelled_images_have_pixels_only_and_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = DATASETS.get(f"folder:{photos.fill(tmp_path / 'few', 5, classes=('bird', 'cat'))}")
    assert kinds_of(dataset) == kinds_of(dataset) == ("pixels",)
    assert classifier_is_ready(dataset)  # this dataset needs no training
    assert [record.message.partition(": ")[2] for record in caplog.records if "no classifier" in record.message] != []
    assert caplog.text.count("it has no classifier, so only metrics of pixels apply: it has") == 1
    with pytest.raises(UserError, match="has no extractor 'classifier'"):
        extractor_for("classifier", dataset)


@pytest.fixture
def text(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainings: list[str]) -> str:
    """Return a packed classifier of another machine, which differs from one trained here, and set another cache folder."""
    with monkeypatch.context() as driver:
        driver.setattr(training, "SEED", 1)
        packed_text = packed_classifier(PATTERNS)
    trainings.clear()
    monkeypatch.setenv("GANBENCH_CACHE", str(tmp_path / "node"))
    return packed_text


def test_one_that_was_sent_is_taken_and_nothing_is_trained_or_written(text: str, tmp_path: Path, trainings: list[str]) -> None:
    with sent(text):
        theirs = extractor_for("classifier", PATTERNS)
    assert trainings == []
    assert not (tmp_path / "node").exists()
    assert theirs.weights_hash == hashlib.sha256(base64.b64decode(json.loads(text)["weights"])).hexdigest()
    mine = extractor_for("classifier", PATTERNS)
    assert trainings == ["patterns"], "without a sent classifier, the process must train one"
    assert mine.weights_hash != theirs.weights_hash
    with sent(text):
        again = extractor_for("classifier", PATTERNS)
    assert again.weights_hash == theirs.weights_hash
    assert extractor_for("classifier", PATTERNS).weights_hash == mine.weights_hash, "the process must still have its own classifier"
    images = PATTERNS.split("test").data
    assert torch.equal(again(images).features, theirs(images).features)


def test_one_that_was_damaged_on_its_way_is_refused(text: str) -> None:
    parts = json.loads(text)
    weights = bytearray(base64.b64decode(parts["weights"]))
    weights[-1] ^= 1
    damaged = json.dumps({**parts, "weights": base64.b64encode(weights).decode()})
    with pytest.raises(UserError, match="damaged"), sent(damaged):
        pass
    with pytest.raises(UserError, match="cannot be read"), sent(json.dumps({**parts, "card": "{}"})):
        pass


def test_where_the_data_are_other_ones_no_classifier_is_trained(text: str, trainings: list[str]) -> None:
    other = replace(PATTERNS, train=121)
    for given in (text, ""):
        with sent(given), pytest.raises(UserError, match="the same data") as refused:
            extractor_for("classifier", other)
        assert "\n" not in str(refused.value)
    assert trainings == []


def test_data_without_a_classifier_of_its_own_sends_none(trainings: list[str], cache: Path) -> None:
    stacked, plain = DATASETS.get("stacked-digits"), Labelled(name="plain", classes=0)
    assert [packed_classifier(data) for data in (DATASETS.get("digits"), stacked, plain, DATASETS.get("ring8"))] == [""] * 4
    with sent(""):
        assert extractor_for("classifier", stacked).weights_hash, "a shipped classifier must load if none is sent"
    assert trainings == []


def test_somebodys_data_named_as_a_shipped_one_is_not_measured_with_its_classifier(trainings: list[str]) -> None:
    mine = Labelled(name="digits")
    assert extractor_for("classifier", mine).weights_hash != extractor_for("classifier", DATASETS.get("digits")).weights_hash
    assert trainings == ["digits"]
