"""The views of experiments are written once, follow the runs, and leave what a user has chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from bench.core.colours import COLOURS, GREY
from bench.metrics.columns import FID_DISTILLED
from bench.tracking import store
from bench.tracking.client import Tracker
from bench.tracking.results import REFERENCES
from bench.tracking.view_state import PREFIX, unpacked
from bench.tracking.views import BY_VARIANT, COLOUR, EVERY_SEED, SAMPLES, prepare_views, update_views

VALUES = {
    FID_DISTILLED: 5.0,
    "diversity/vendi_score": 3.0,
    "train/loss_d": 1.0,
    "train/loss_g": 2.0,
    "best/quality/spectrum": 1.0,
}


def record(
    uri: str, variant: str, *, experiment: str = "small", status: str = "finished", values: dict[str, float] = VALUES, **tags: str
) -> str:
    """Record a run, and return its id."""
    given = {"kind": "run", "variant": variant, "seed": "0", "dataset": "digits", "headline": FID_DISTILLED, **tags}
    log = Tracker(uri, experiment).start_run(f"{variant}-s0", given, {"budget.images": 100})
    log.points(values, images=100, train_seconds=1.0)
    log.finish(status)
    return log.run_id


@pytest.fixture
def client(uri: str) -> MlflowClient:
    for variant in ("dcgan", "wgan"):
        record(uri, variant)
    record(uri, "ns-gan", status="failed")
    Tracker(uri, "small").start_parent("small execution", {"suite": "small"})
    return store.connect(uri)


def tags_of(client: MlflowClient, name: str = "small") -> dict[str, str]:
    found = client.get_experiment_by_name(name)
    assert found is not None
    return dict(found.tags)


def view(client: MlflowClient, key: str, name: str = "small") -> dict[str, Any]:
    found = unpacked(tags_of(client, name)[PREFIX + key])
    assert found is not None
    return found


def charts(state: dict[str, Any], section: str) -> list[tuple[str, str]]:
    wanted = {part["uuid"] for part in state["compareRunSections"] if part["name"] == section}
    return [(chart["type"], chart["metricKey"]) for chart in state["compareRunCharts"] if chart.get("metricSectionId") in wanted]


def test_a_view_groups_finished_runs_by_variant(client: MlflowClient, uri: str) -> None:
    prepare_views(uri, client)
    found = view(client, BY_VARIANT)
    state = found["state"]
    assert found["name"] == "By variant"
    assert state["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "variant"}]
    assert charts(state, "Comparison") == [("BAR", FID_DISTILLED), ("BAR", "diversity/vendi_score")]
    assert charts(state, "Against images") == [("LINE", FID_DISTILLED), ("LINE", "train/loss_d"), ("LINE", "train/loss_g")]
    names = [section["name"] for section in state["compareRunSections"]]
    assert names == ["Comparison", "Against images", "diversity", "quality", "train", "best/quality"]
    assert [section["display"] for section in state["compareRunSections"]] == [True, True, False, False, False, False]
    assert not [chart for chart in state["compareRunCharts"] if chart["deleted"]]
    experiment = client.get_experiment_by_name("small")
    visible = client.search_runs([experiment.experiment_id], state["searchFilter"])
    assert sorted(run.data.tags["variant"] for run in visible) == ["dcgan", "wgan"]


def test_standard_errors_of_earlier_versions_have_no_charts(client: MlflowClient, uri: str) -> None:
    client.log_metric(record(uri, "dcgan"), f"{FID_DISTILLED}_se", 0.1, synchronous=True)
    prepare_views(uri, client)
    deleted = [chart["metricKey"] for chart in view(client, BY_VARIANT)["state"]["compareRunCharts"] if chart["deleted"]]
    assert deleted == [f"{FID_DISTILLED}_se"]


def test_a_view_has_the_samples_of_the_lowest_seed(client: MlflowClient, uri: str) -> None:
    prepare_views(uri, client)
    assert PREFIX + SAMPLES not in client.get_experiment_by_name("small").tags  # no run has images
    for seed in ("7", "11"):
        record(uri, "dcgan", experiment="with images", seed=seed, last_image="100")
    prepare_views(uri, client)
    experiment = client.get_experiment_by_name("with images")
    state = view(client, SAMPLES, "with images")["state"]
    (images,) = [chart for chart in state["compareRunCharts"] if chart["type"] == "IMAGE"]
    assert (images["imageKeys"], images["step"], state["groupBy"]) == (["samples"], 100, None)
    visible = client.search_runs([experiment.experiment_id], state["searchFilter"])
    assert [run.data.tags["seed"] for run in visible] == ["7"]


def test_a_view_has_every_seed_with_its_status_and_speed(client: MlflowClient, uri: str) -> None:
    prepare_views(uri, client)
    state = view(client, EVERY_SEED)["state"]
    assert state["groupBy"] is None
    columns = [f"metrics.`{FID_DISTILLED}`", "tags.`status`", "tags.`seed`", "params.`budget.images`", "metrics.`perf/images_per_second`"]
    assert state["selectedColumns"] == columns
    experiment = client.get_experiment_by_name("small")
    assert len(client.search_runs([experiment.experiment_id], state["searchFilter"])) == 3


def test_the_views_follow_the_headline_of_the_experiment(uri: str) -> None:
    values = {"quality/recall_classifier": 0.5, FID_DISTILLED: 4.0}
    record(uri, "dcgan", headline="quality/recall_classifier", values=values)
    client = store.connect(uri)
    prepare_views(uri, client)
    state = view(client, BY_VARIANT)["state"]
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`quality/recall_classifier`", False)
    assert charts(state, "Comparison") == [("BAR", "quality/recall_classifier"), ("BAR", FID_DISTILLED)]
    record(uri, "dcgan", headline=FID_DISTILLED, status="failed", values=values)  # not compared
    prepare_views(uri, client)
    assert charts(view(client, BY_VARIANT)["state"], "Comparison") == [("BAR", "quality/recall_classifier"), ("BAR", FID_DISTILLED)]


def test_reference_rows_have_views_without_curves(client: MlflowClient, uri: str) -> None:
    row = record(uri, "real", experiment=REFERENCES, kind="reference")
    assert [found.name for found in prepare_views(uri, client)] == ["small", REFERENCES]  # rows last, although they are newer
    state = view(client, BY_VARIANT, REFERENCES)["state"]
    assert charts(state, "Comparison")
    assert not charts(state, "Against images")
    assert client.get_run(row).data.tags[COLOUR] == GREY


def test_runs_have_the_colours_of_their_variants_in_reports(client: MlflowClient, uri: str) -> None:
    prepare_views(uri, client)
    found = client.search_runs([client.get_experiment_by_name("small").experiment_id], "tags.kind = 'run'")
    assert {run.data.tags["variant"]: run.data.tags[COLOUR] for run in found} == dict(
        zip(("dcgan", "ns-gan", "wgan"), COLOURS, strict=False)
    )
    record(uri, "acgan")
    prepare_views(uri, client)
    assert client.get_run(found[0].info.run_id).data.tags[COLOUR] != found[0].data.tags[COLOUR]  # as in the report with this variant


def test_writing_again_changes_nothing(client: MlflowClient, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare_views(uri, client)
    before = tags_of(client)

    def refuse(*words: object, **options: object) -> None:
        raise AssertionError(words)

    monkeypatch.setattr(MlflowClient, "set_experiment_tag", refuse)
    monkeypatch.setattr(MlflowClient, "set_tag", refuse)
    assert prepare_views(uri, client) == first
    assert tags_of(client) == before


def test_what_a_user_has_chosen_stays(client: MlflowClient, uri: str) -> None:
    experiment = client.get_experiment_by_name("small").experiment_id
    own = {PREFIX + "17960624475071abc": '{"name": "By variant", "createdAt": 1, "state": "{}"}', "mlflow.experimentKind": "regression"}
    for key, value in own.items():
        client.set_experiment_tag(experiment, key, value)
    run_id = client.search_runs([experiment], "tags.variant = 'dcgan'")[0].info.run_id
    client.set_tag(run_id, COLOUR, "#123456")
    prepare_views(uri, client)
    assert own.items() <= tags_of(client).items()
    assert client.get_run(run_id).data.tags[COLOUR] == "#123456"


def test_an_experiment_of_an_earlier_version_becomes_one_of_model_training(client: MlflowClient, uri: str) -> None:
    assert tags_of(client)["mlflow.experimentKind"] == "custom_model_development"  # from its creation
    for guess in ("", "genai_development_inferred"):
        client.set_experiment_tag(client.get_experiment_by_name("small").experiment_id, "mlflow.experimentKind", guess)
        prepare_views(uri, client)
        assert tags_of(client)["mlflow.experimentKind"] == "custom_model_development"


def test_experiments_of_other_programs_are_untouched(client: MlflowClient, uri: str) -> None:
    other = client.create_experiment("other")
    client.create_run(other)
    assert [found.name for found in prepare_views(uri, client)] == ["small"]
    assert tags_of(client, "other") == {}
    assert tags_of(client, "Default") == {}


@pytest.fixture
def refusing(client: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def refuse(*words: object, **options: object) -> None:
        raise MlflowException("no permission")

    return lambda: monkeypatch.setattr(MlflowClient, "set_experiment_tag", refuse)


def test_a_store_that_refuses_the_views_opens_the_plain_page(
    client: MlflowClient, uri: str, refusing: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    refusing()
    (found,) = prepare_views(uri, client)
    assert not found.has_views
    assert "no permission" in caplog.text
    assert "viewStateShareKey" not in found.link("http://host")


def test_a_suite_does_not_fail_for_its_views(
    uri: str, client: MlflowClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*words: object, **options: object) -> None:
        raise MlflowException("gone away")

    monkeypatch.setattr(MlflowClient, "search_experiments", fail)
    update_views(uri, client, "small")
    assert "gone away" in caplog.text


def test_the_link_opens_the_view(client: MlflowClient, uri: str) -> None:
    (found,) = prepare_views(uri, client, ["small"])
    page = urlsplit(found.link("http://127.0.0.1:5000/"))
    path, _, query = page.fragment.partition("?")
    assert (page.netloc, path) == ("127.0.0.1:5000", f"/experiments/{found.experiment_id}/runs")
    assert parse_qs(query) == {"workflowType": ["machine_learning"], "compareRunsMode": ["CHART"], "viewStateShareKey": [BY_VARIANT]}
