"""Tests of the report of `ganbench perf`."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree

import matplotlib
import pytest

from bench.core.errors import UserError
from bench.perf.measure import ALL_CORES, BARE, SUITE, TRAIN, TUTORIAL, Setting, Speed
from bench.perf.quality import QualityPoint
from bench.perf.race import Rate
from bench.perf.report import MEANING, as_json, draw, notes, rate_rows, ratio_rows
from bench.perf.whole import RunTimes


def speed() -> Speed:
    def rate(*turns: float) -> Rate:
        return Rate(turns=turns)

    found = Speed(machine={"cores": 2, "cpu": "a processor", "precision": "bf16"}, setting=Setting())
    found.rates["mlp"] = {
        TUTORIAL: rate(100, 110), BARE: rate(400, 400), TRAIN: rate(392, 392), ALL_CORES: rate(300, 330), SUITE: rate(600, 660),
    }  # fmt: skip
    found.memory_mb["mlp"] = dict.fromkeys(found.rates["mlp"], 150.0)
    found.flops["mlp"], found.peaks["mlp"] = 2e6, rate(4e9, 4e9)
    short = RunTimes(images=60_000, wall=70.0, train=30.0, evaluate=35.0, log=1.0)
    found.wholes["mlp"] = {
        "standard": short.at(6_000_000, 2_000.0),
        "quick": RunTimes(images=100_000, wall=62.0, train=50.0, evaluate=11.0, log=0.5),
    }
    found.quality["mlp"] = {
        "tutorial": QualityPoint(value=60.0, images=300_000, seconds=120.0), "harness": QualityPoint(value=59.0, images=50_000, seconds=20.0),
    }  # fmt: skip
    return found


def empty() -> Speed:
    return Speed(machine={"cores": 2, "precision": "fp32"}, setting=Setting())


def test_ratios_by_hand() -> None:
    assert speed().ratios == pytest.approx({
        "train_over_bare.mlp": 0.98, "train_over_tutorial.mlp": 3.0, "suite_over_tutorial.mlp": 6.0, "flops_over_peak.mlp": 392 * 2e6 / 4e9,
        "run_over_train.mlp": 3000 / 3040, "evaluation_share.mlp.standard": 35 / 3040, "logging_share.mlp.standard": 1 / 3040,
        "run_over_train.mlp.quick": 50 / 62, "evaluation_share.mlp.quick": 11 / 62, "logging_share.mlp.quick": 0.5 / 62,
        "time_to_quality.mlp": 6.0,
    })  # fmt: skip


def test_a_longer_run_has_the_same_costs_beside_training() -> None:
    whole = RunTimes(images=10, wall=9.0, train=2.0, evaluate=4.0, log=1.0)
    longer = whole.at(100, 5.0)
    assert (longer.images, longer.train, longer.wall) == (100, 20.0, 27.0)
    assert longer.rest == whole.rest == 2.0


def test_a_part_that_was_not_requested_has_no_ratio() -> None:
    assert empty().ratios == {}
    assert rate_rows(empty()) == ratio_rows(empty()) == []
    missed = empty()
    missed.quality["mlp"] = {"tutorial": QualityPoint(value=60.0, images=1, seconds=1.0), "harness": None}
    assert missed.ratios == {}
    assert "mlp: the harness does not reach the target" in notes(missed)


def test_rows_show_the_number_of_threads() -> None:
    assert [row[1:4] for row in rate_rows(speed())] == [
        (TUTORIAL, "2", "105"), (BARE, "1", "400"), (TRAIN, "1", "392"), (ALL_CORES, "2", "315"), (SUITE, "1 x 2", "630"),
    ]  # fmt: skip


def test_every_ratio_has_a_meaning() -> None:
    rows = {key: words for key, _, words in ratio_rows(speed())}
    assert {key.partition(".")[0] for key in rows} == set(MEANING)
    assert rows["run_over_train.mlp"].endswith("as in the suite standard, training extrapolated to 6,000,000 images")
    assert rows["evaluation_share.mlp.quick"].endswith("as in the suite quick")
    assert rows["train_over_bare.mlp"] == MEANING["train_over_bare"]


def test_json_has_everything_and_no_number_that_json_lacks() -> None:
    found = speed()
    found.rates["mlp"] = {name: Rate(turns=(100.0,)) for name in found.rates["mlp"]}  # no spread
    found.peaks["mlp"] = Rate(turns=(4e9,))
    output = as_json(found)
    text = json.dumps(output, allow_nan=False)
    assert json.loads(text)["ratios"].keys() == found.ratios.keys()
    assert output["images_per_second"]["mlp"]["tutorial"] == {"turns": [100.0], "median": 100.0, "spread": None}
    assert output["quality"]["mlp"]["harness"]["images"] == 50_000
    assert output["seconds"]["mlp"]["quick"]["rest"] == pytest.approx(0.5)


def test_the_picture_is_svg_with_every_loop_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")
    picture = draw(speed())
    assert ElementTree.fromstring(picture).tag.endswith("svg")
    assert all(name in picture.decode() for name in (TUTORIAL, BARE, ALL_CORES, SUITE))
    assert draw(empty())


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (Setting(parts=("loop",)), "unknown part 'loop'; did you mean 'loops'"),
        (Setting(models=("dcgn",)), "unknown model 'dcgn'; did you mean 'dcgan'"),
        (Setting(parts=()), "at least one of loops, run, quality"),
        (Setting(parts=("quality",), models=("dcgan",)), "only for mlp"),
        (Setting(turns=0), "--turns takes 1 to 1000"),
        (Setting(seconds=float("nan")), "--seconds 0.1 to 600"),
    ],
)
def test_invalid_settings(setting: Setting, message: str) -> None:
    with pytest.raises(UserError, match=message):
        setting.check()
