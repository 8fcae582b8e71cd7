"""The command `evaluate`. Every format of the same images gives the same values, and every NaN has a reason."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from small import same_numbers

from bench.core.config import DATASETS
from bench.core.errors import UserError
from bench.core.threads import limited_threads
from bench.evaluation.evaluator import Evaluator
from bench.evaluation.external import measure
from bench.evaluation.external_images import Range
from bench.evaluation.reference_rows import reference_row
from bench.metrics.columns import SE

UNKNOWN = {"diversity/path_length", "memorisation/ct_score"}  # 100 images without their generator have no path, and too few in every bin


def train(n: int = 100) -> torch.Tensor:
    return DATASETS.get("digits").split("train").data[100 : 100 + n]


def saved(path: Path, images: torch.Tensor) -> str:
    np.savez(path, images=images.numpy())
    return str(path)


def test_the_same_images_in_any_form_have_the_same_numbers(tmp_path: Path) -> None:
    images = train()
    forms: list[tuple[torch.Tensor, Range | None]] = [
        (images, None),
        (images.float() / 255, None),
        (images.permute(0, 2, 3, 1).double() / 127.5 - 1, (-1.0, 1.0)),
        (images[:, 0], None),
    ]
    found = [measure(saved(tmp_path / f"{i}.npz", form), "digits", value_range=value_range) for i, (form, value_range) in enumerate(forms)]
    with limited_threads(1):
        evaluator = Evaluator(DATASETS.get("digits"), samples=100)
        expected = evaluator.full(images).values
    assert all(same_numbers(one.measurement.values, expected) for one in found)
    assert all(one.protocol == {"all": evaluator.protocol_hash, "metrics": evaluator.protocol()} for one in found)
    rows = {kind: reference_row(kind, evaluator).measurement for kind in ("real", "untrained")}
    assert repr(found[0].rows) == repr(rows)  # repr, because one value is NaN and NaN != NaN


def test_json_has_a_reason_for_every_null(tmp_path: Path) -> None:
    noise = torch.randint(0, 256, (100, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    output = measure(saved(tmp_path / "x.npz", noise), "digits").as_json()
    assert json.loads(json.dumps(output, allow_nan=False)) == output
    assert [*output][:7] == ["source", "dataset", "n", "headline", "metrics", "reasons", "protocol"]
    assert [*output][7:] == ["real", "untrained", "real_reasons", "untrained_reasons", "left_out"]
    assert output["left_out"] == {}
    assert output["headline"] in output["metrics"]
    assert (
        {key for key, value in output["metrics"].items() if value is None}
        == set(output["reasons"])
        == {"modes/collapse", "diversity/path_length"}
    )  # all noise images lie in one bin
    known = [{key for key in output[side] if not key.endswith(SE)} for side in ("metrics", "real", "untrained")]
    assert known == [set(output["protocol"]["metrics"])] * 3
    assert output["metrics"]["quality/fid_classifier_se"] > 0
    assert {key for key, value in output["untrained"].items() if value is None} == {
        "modes/collapse"
    }  # the generator has paths, and all its images lie in one bin
    for kind in ("real", "untrained"):
        assert {key for key, value in output[kind].items() if value is None} == set(output[f"{kind}_reasons"])
    assert output["real"]["quality/fid_classifier"] < output["metrics"]["quality/fid_classifier"]
    assert (output["n"], output["dataset"]) == (100, "digits")


def test_infinity_is_null_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.metrics.modes.reverse_kl", lambda generated, real: math.inf)
    output = measure(saved(tmp_path / "x.npz", train()), "digits").as_json()
    assert output["metrics"]["modes/class_kl"] is None
    assert output["reasons"].keys() == {"modes/class_kl"} | UNKNOWN
    assert output["reasons"]["modes/class_kl"] == "the value is inf, and the metric gives no reason"
    assert "modes/class_kl_se" not in output["metrics"]


def test_a_generator_gives_as_many_images_as_the_test_split_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_generator.py").write_text(
        "from torch import nn\n"
        "def make():\n"
        "    net = nn.Sequential(nn.Linear(4, 64), nn.Sigmoid(), nn.Unflatten(1, (1, 8, 8)))\n"
        "    net.z_dim = 4\n"
        "    return net\n"
    )
    monkeypatch.chdir(tmp_path)
    whole = measure("my_generator:make", "digits")
    assert (whole.n, whole.what) == (500, "images")
    assert whole.measurement.values["diversity/path_length"] > 0
    assert "diversity/path_length_se" in whole.measurement.values
    few = measure("my_generator:make", "digits", n=30)
    assert (few.n, few.rows["real"].evidence["n"]) == (30, 30)


def test_invalid_sources_and_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "x.npz", train())
    Path("folder").mkdir()
    wrong: list[tuple[tuple[str, str], dict[str, object], str]] = [
        (("none.npz", "digits"), {}, "no file or folder 'none.npz'"),
        (("a" * 300, "digits"), {}, "cannot be read"),
        (("a\0b", "digits"), {}, "no file or folder"),
        (("x.npz", "digit"), {}, "unknown dataset 'digit'; did you mean 'digits'"),
        (("x.npz", "digits"), {"n": 5}, "--n is not for an .npz file"),
        (("x.npz", "digits"), {"latent": 5}, "--latent is not for an .npz file"),
        (("folder", "digits"), {"value_range": (0.0, 1.0)}, "--range is not for a folder of images"),
        (("x.npz", "digits"), {"value_range": (1.0, 0.0)}, "--range takes LO and HI"),
        (("folder", "digits"), {}, "no images in the folder"),
        (("math:pi", "digits"), {}, "not a torch nn.Module"),
        (("x.npz", "ring8"), {"as_is": True}, "--as-is is not for an .npz file of points"),
        (("x.npz", "ring8"), {}, "has no array 'points'"),
    ]
    for (source, dataset), options, message in wrong:
        with pytest.raises(UserError) as error:
            measure(source, dataset, **options)  # type: ignore[arg-type]
        assert message in str(error.value)
        assert len(str(error.value).splitlines()) == 1
