"""Sections on studies: text, tables and plots, from complete and from odd records."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from synthetic_results import FID, SyntheticRun, synthetic_runs
from synthetic_study import (
    DEFAULT,
    DIMENSIONS,
    HUGE,
    LR_D,
    LR_G,
    K,
    diverged,
    final_runs,
    pruned,
    random_trials,
    replace_value,
    search_runs,
    studied,
    study,
    trial,
    tuning,
    usual,
)  # fmt: skip

from bench.tracking.results import Results
from reports.build import build, summary_tables, write
from reports.document import Block, Document, Figure, Gallery, Heading, Section, Table, Text
from reports.html import html
from reports.latex import latex
from reports.markdown import markdown
from reports.sections import studies
from reports.sections.study_table import settings
from reports.study import BestTrial
from reports.tuning_outcomes import tuning_outcomes
from reports.view import view

PARETO = [{"key": FID, "direction": "lower"}, {"key": "quality/recall_classifier", "direction": "higher"}]


def texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from texts(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from texts(getattr(value, field.name))


def section(found: Results) -> Section:
    found_section = studies.build(view(found))
    assert found_section is not None
    return found_section


def opening(found: Results) -> list[Block]:
    """Return the text and tables of the first study."""
    prepared = view(found)
    return studies.opening(prepared.studies[0], tuning_outcomes(prepared.studies[0]), prepared)


def sentences(found: Results) -> list[str]:
    return [block.text for block in opening(found) if isinstance(block, Text)]


def tables(found: Results) -> list[Table]:
    return [block for block in opening(found) if isinstance(block, Table)]


def ids(found: Results) -> list[str]:
    return [block.id for block in section(found).blocks if isinstance(block, (Figure, Gallery))]


def test_a_whole_study_has_everything() -> None:
    blocks = [block for block in section(studied(usual(14))).blocks if isinstance(block, (Figure, Gallery))]
    names = ("tuned", "map-0", "map-1", "slices", "importance", "history", "budget")
    assert [block.id for block in blocks] == [f"study-0-{name}" for name in names]
    galleries = {block.id: block for block in blocks if isinstance(block, Gallery)}
    assert [len(gallery.tiles) for gallery in galleries.values()] == [3, 3, 9, 3, 3]
    assert len({tile.picture.data for gallery in galleries.values() for tile in gallery.tiles}) == 21


def test_the_lead_has_the_verdict_on_each_variant() -> None:
    recorded = usual(14)
    lead = sentences(studied(recorded, final_runs(recorded, {"dcgan": 1.4, "wgan-gp": 1.001})))[0]
    dcgan, ns_gan, wgan_gp = lead.partition(": ")[2].split("; ")
    assert dcgan.startswith("dcgan clearly better, tuned 1.40 times as good [")
    assert ns_gan.startswith("ns-gan keeps the default recipe")
    assert wgan_gp.startswith("wgan-gp no significant difference, tuned 1.00 times as good [")
    worse = sentences(studied(recorded, final_runs(recorded, {"dcgan": 0.7})))
    assert "dcgan clearly better with the default recipe, tuned 0.70" in worse[0]
    assert any(text.startswith("dcgan: keep the default recipe") for text in worse)


def test_no_recipe_is_recommended_without_final_runs() -> None:
    recorded = usual(14)
    found = sentences(studied(recorded, search_runs(recorded)))
    assert not any("times as good" in text or ": use " in text or ": keep " in text or "clearly" in text for text in found)


def test_the_recipe_in_words() -> None:
    trials = [trial(0, values=[50.0]), *(trial(n, {LR_G: 1e-3, LR_D: 2e-4, K: 2}, values=[60.0]) for n in range(1, 5))]
    trials.append(trial(5, {LR_G: 9.9e-3, LR_D: 2e-4, K: 5}, values=[25.0]))
    recorded = study({"dcgan": tuning(trials)})
    recipe, values, edge, importance, near = sentences(studied(recorded, final_runs(recorded)))[2].split(". ")
    assert recipe == "dcgan: use lr_g 0.0099, lr_d 2e-4, k 5 (trial 5 of 6 trials)"
    assert "classifier-FID 25.0" in values
    assert "50.0" in values
    assert edge.startswith("lr_g and k at the edge")
    assert importance.startswith("lr_g matters most")
    assert importance.endswith("lr_g 0.61 ± 0.08, lr_d 0.25 ± 0.07 and k 0.14 ± 0.05")
    assert near.startswith("17 % of the trials")


def test_the_most_important_setting_is_named_only_if_it_is_clearly_first() -> None:
    close = {LR_G: {"mean": 0.5, "sd": 0.2}, K: {"mean": 0.4, "sd": 0.2}}
    recorded = study({"dcgan": tuning(random_trials(14), importance=close)})
    found = sentences(studied(recorded))
    assert any("lr_g 0.50 ± 0.20 and k 0.40 ± 0.20" in text for text in found)
    assert not any("lr_g matters most" in text for text in found)
    none = study({"dcgan": tuning(random_trials(3), importance=None, importance_note="too few trials")})
    assert any("dcgan: too few trials" in text for text in texts(section(studied(none))))


def test_the_tables_by_hand() -> None:
    trials = [
        trial(0, values=[50.0]),
        trial(1, values=[40.0]),
        pruned(2, DEFAULT),
        diverged(3, DEFAULT),
        trial(4, state="failed", values=None, images=0),
    ]
    recorded = study({"dcgan": tuning(trials)})
    table, recipes, reasons = tables(studied(recorded, final_runs(recorded)))
    cells = {column.title: cell for column, cell in zip(table.columns, table.rows[0].cells, strict=True)}
    assert (cells["trials"].text, cells["trials"].detail) == ("5", "1 pruned, 1 diverged, 1 failed")
    assert (cells["images"].text, cells["images"].detail) == ("76,000", "78 % of unpruned")
    assert (cells["default, search"].text, cells["best, search"].text, cells["best, search"].detail) == ("50.0", "40.0", "trial 1")
    assert cells["default, final"].text == "42.6"
    assert cells["tuned against default"].text == "clearly better"
    assert cells["near the best"].text == "–"  # four trials are too few for a share
    assert recipes.rows[0].cells[1].text == "--set recipe.width=16 --set recipe.lr_g=0.0002 --set recipe.lr_d=0.0002 --set recipe.k=1"
    assert [[cell.text for cell in row.cells[1:3]] for row in reasons.rows] == [["3", "diverged"], ["4", "failed"]]
    assert reasons.rows[0].cells[-1].text == "loss_d is infinite"


def test_a_recipe_is_quoted_for_a_shell() -> None:
    nasty = ("recipe.k=2", "recipe.x=$(rm -rf ~); `id`")
    line = settings(BestTrial(number=0, values=(1.0,), options=nasty))
    assert line == "--set recipe.k=2 --set 'recipe.x=$(rm -rf ~); `id`'"
    assert shlex.split(line)[1::2] == list(nasty)
    quoted = study({"dcgan": tuning([trial(0)], best={"number": 0, "set": "", "settings": {}})})
    assert tables(studied(quoted))[1].rows[0].cells[1].code is False


@pytest.mark.slow
def test_a_dimension_of_some_variants_is_theirs_alone() -> None:
    norm = {"path": "recipe.norm_d", "kind": "choice", "choices": ["published", "none"]}
    dimensions = [
        *DIMENSIONS,
        {**norm, "variants": "w*"},
        {**norm, "variants": "dc*"},
        {**DIMENSIONS[0], "path": "recipe.gp", "variants": "wgan-gp"},
    ]
    trials = [{**found, "params": {**found["params"], "recipe.norm_d": "none"}} for found in random_trials(6, 1)]
    recorded = study({name: tuning(trials) for name in ("dcgan", "wgan-gp", "ns-gan")}, space={"name": "wide", "dimensions": dimensions})
    found = studied(recorded)
    caption = tables(found)[0].caption
    assert "norm_d of published or none for wgan-gp, norm_d of published or none for dcgan and gp 1e-5 to 0.01 (log) for wgan-gp" in caption
    assert [text.count("norm_d none") for text in sentences(found)[2:5]] == [1, 0, 1]
    slices = next(block for block in section(found).blocks if isinstance(block, Gallery) and block.id == "study-0-slices")
    assert [tile.detail for tile in slices.tiles] == ["lr_g", "lr_d", "k", "norm_d", "lr_g", "lr_d", "k", "lr_g", "lr_d", "k", "norm_d"]


@pytest.mark.parametrize(
    ("sampler", "words"),
    [
        ("tpe", "The trials of TPE"),
        pytest.param("grid", "The trials of a grid", marks=pytest.mark.slow),
        pytest.param("", "an unrecorded sampler", marks=pytest.mark.slow),
    ],
)
def test_why_there_is_no_expected_best(sampler: str, words: str) -> None:
    found_section = section(studied(small(sampler=sampler)))
    assert not any(isinstance(block, Figure) and block.id == "study-0-budget" for block in found_section.blocks)
    assert any(words in text for text in texts(found_section))


def test_two_objectives_have_a_front() -> None:
    trials = [trial(0, values=[40.0, 0.3]), trial(1, {**DEFAULT, LR_G: 1e-3}, values=[30.0, 0.2])]
    recorded = study({"dcgan": tuning(trials, pareto=[0, 1])}, objectives=PARETO)
    assert "study-0-front" in ids(studied(recorded))


@pytest.mark.slow
def test_below_five_trials_maps_have_no_bins() -> None:
    few, more = (studied(study({"dcgan": tuning(random_trials(count))})) for count in (4, 8))
    maps = [
        next(block for block in section(found).blocks if isinstance(block, Gallery) and block.id == "study-0-map-0")
        for found in (few, more)
    ]
    assert len(maps[0].tiles[0].picture.data) < len(maps[1].tiles[0].picture.data)


def test_a_search_that_has_not_ended_is_a_warning() -> None:
    recorded = usual(5, trials_wanted=9)
    assert any("dcgan 5 of 9, ns-gan 5 of 9, wgan-gp 5 of 9 trials" in text for text in sentences(studied(recorded)))
    empty = study({"dcgan": tuning([trial(0, state="running", values=None)])}, trials_wanted=3)
    assert "dcgan" not in sentences(studied(empty, []))[0]


def test_data_too_small_for_conclusions_is_a_warning() -> None:
    recorded = small(dataset="digits")
    runs = [replace(run, columns={**run.columns, "dataset": "digits", "claims": "false"}) for run in search_runs(recorded)]
    first = opening(studied(recorded, runs))[0]
    assert isinstance(first, Text)
    assert first.tone == "warning"
    assert "digits" in first.text
    assert "digits" in build(studied(recorded, runs), title="t").warnings[0]


def test_two_studies_have_headings_with_their_names() -> None:
    one, two = small(), small(study="another")
    found = replace(studied(one, [*search_runs(one), *final_runs(two)]), studies=(two, one))
    blocks = section(found).blocks
    headings = [block.text for block in blocks if isinstance(block, Heading)]
    assert [name for name in headings if name in ("another", "lr-k-quick")] == ["another", "lr-k-quick"]
    names = [block.id for block in blocks if isinstance(block, (Figure, Gallery))]
    assert len(set(names)) == len(names)


def test_no_study_no_section() -> None:
    assert studies.build(view(replace(studied(small(), synthetic_runs({"a": (1.0, 2.0, 3.0)})), studies=()))) is None


def small(**over: Any) -> dict[str, Any]:
    return study({"dcgan": tuning(random_trials(7, 1))}, **over)


def without(recorded: dict[str, Any], *fields: str) -> dict[str, Any]:
    return {key: value for key, value in recorded.items() if key not in fields}


def hostile() -> dict[str, Any]:
    nasty = ["$a_b$ <script>alert(1)</script>", "x|y `z` [l](javascript:1)", "\u202eא" + "n" * 300, "real"]
    names = {
        name: tuning([{**found, "reason": nasty[0]} for found in random_trials(6, i)], importance_note=nasty[1])
        for i, name in enumerate(nasty)
    }
    dimensions = [{"path": "recipe.$x$", "kind": "choice", "choices": [*nasty, 1, None], "also": nasty, "variants": "*"}]
    space = {"name": nasty[0], "dimensions": [*usual(1)["space"]["dimensions"], *dimensions]}
    for own in names.values():
        for i, found in enumerate(own["trials"]):
            found["params"] = {**found["params"], "recipe.$x$": nasty[i % 4]}
    return study(names, study=nasty[0], idea=nasty[2], dataset=nasty[1], budget=nasty[0], sampler=nasty[0], pruner=nasty[1], space=space)


ODD = {
    "search only": lambda: studied(small(), search_runs(small())),
    "nothing but the study": lambda: studied(small(), []),
    "one trial": lambda: studied(study({"dcgan": tuning([trial(0)])})),
    "all diverged": lambda: studied(study({"dcgan": tuning([diverged(n, DEFAULT) for n in range(7)])})),
    "all failed": lambda: studied(study({"dcgan": tuning([trial(n, state="failed", values=None) for n in range(3)])}), [SyntheticRun(variant="dcgan", status="failed")]),
    "all pruned": lambda: studied(study({"dcgan": tuning([pruned(n, DEFAULT) for n in range(7)])})),
    "default diverged": lambda: studied(study({"dcgan": tuning([diverged(0, DEFAULT) | {"default": True}, *random_trials(8)[1:]])})),
    "equal values": lambda: studied(study({"dcgan": tuning([replace_value(found, 40.0) if found["state"] == "complete" else found for found in random_trials(8)])})),
    "negative values": lambda: studied(study({"dcgan": tuning([trial(n, values=[n - 3.0]) for n in range(7)])})),
    "no space": lambda: studied(without(small(), "space")),
    "no budget, no seeds": lambda: studied(without(small(), "budget", "search_seeds", "dataset", "sampler", "pruner", "trials_wanted", "idea")),
    "no best": lambda: studied(study({"dcgan": tuning(random_trials(6), best=None)}), search_runs(small())),
    "half": lambda: studied(study({"dcgan": {"trials": random_trials(3)}, "ns-gan": {}}), search_runs(small())),
    "damaged": lambda: studied({**small(), "variants": {"dcgan": None}}, search_runs(small())),
    "huge": lambda: studied(study({"dcgan": tuning([trial(0, values=[HUGE]), trial(1, values=[9e8]), trial(2, values=[1e-300])])})),
    "missing": lambda: replace(studied(small(), search_runs(small())), studies=()),
    "hostile": lambda: studied(hostile()),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", ODD)
def test_odd_studies_give_a_report(case: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = ODD[case]()
        document = build(found, title=case)
        page = write(document, tmp_path / "report").read_text()
        summary_tables(found)
        latex(view(found))
    words = " ".join(texts(document)).lower()
    assert not {"nan", "inf", "nan,", "1e+30", "[nan,"} & set(words.split())
    assert "1,000,000,000,000" not in words
    assert "e+30" not in page
    assert "<script>alert" not in page
    assert ("Studies" in document.left_out) == (case in ("missing", "damaged"))
    assert all(section.blocks for section in document.sections)
    assert "# " in markdown(document).text


def test_a_report_without_cohorts() -> None:
    recorded = small()
    document: Document = build(studied(recorded, search_runs(recorded)), title="t")
    assert [found.id for found in document.sections] == ["studies", "glossary"]
    assert [(fact.label, fact.value) for fact in document.facts] == [("study", "lr-k-quick")]
    missing = build(ODD["missing"](), title="t")
    (warning,) = missing.warnings
    assert "lr-k-quick" in warning


@pytest.mark.slow
def test_the_same_study_gives_the_same_bytes() -> None:
    one, two = (html(build(studied(small()), title="t")) for _ in range(2))
    assert one == two
