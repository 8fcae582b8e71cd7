"""The state of a named view has the form of MLflow's pages, and survives packing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.tracking.view_state import GroupBy, Section, packed, unpacked, view_state

# The keys of a view that MLflow 3.17 has saved itself, and of its charts and sections.
STATE = {
    "searchFilter", "orderByKey", "orderByAsc", "startTime", "lifecycleFilter", "datasetsFilter", "modelVersionFilter", "selectedColumns",
    "columnOrder", "columnWidths", "runsHiddenMode", "compareRunCharts", "compareRunSections", "viewMaximized", "runListHidden",
    "isAccordionReordered", "useGroupedValuesInCharts", "hideEmptyCharts", "groupBy", "groupsExpanded", "globalLineChartConfig",
}  # fmt: skip
CHART = {
    "uuid", "type", "runsCountToCompare", "metricSectionId", "deleted", "isGenerated", "displayName", "metricKey", "selectedMetricKeys",
    "lineSmoothness", "xAxisScaleType", "scaleType", "range", "xAxisKey", "selectedXAxisMetricKey", "yAxisKey", "yAxisExpressions",
    "ignoreOutliers", "useGlobalXaxisKey", "useGlobalLineSmoothing",
}  # fmt: skip
SECTION = {"uuid", "name", "display", "isReordered", "deleted", "isGenerated", "columns"}


def example(**options: Any) -> dict[str, Any]:
    sections = [Section(name="Comparison", bars=["quality/fid"], curves=["train/loss_d"]), Section(name="quality", is_open=False)]
    return view_state(query="tags.kind = 'run'", order_by="metrics.`quality/fid`", ascending=True, sections=sections, **options)


def test_a_view_has_the_form_of_mlflow() -> None:
    state = example(without=["quality/fid_se"])
    assert set(state) == STATE
    assert all(set(chart) <= CHART for chart in state["compareRunCharts"])
    assert all(set(section) <= SECTION for section in state["compareRunSections"])
    sections = {section["uuid"] for section in state["compareRunSections"]}
    visible = [chart for chart in state["compareRunCharts"] if not chart["deleted"]]
    assert [(chart["type"], chart["metricKey"]) for chart in visible] == [("BAR", "quality/fid"), ("LINE", "train/loss_d")]
    assert all(chart["metricSectionId"] in sections and not chart["isGenerated"] for chart in visible)
    assert [chart["metricKey"] for chart in state["compareRunCharts"] if chart["deleted"]] == ["quality/fid_se"]
    assert len({chart["uuid"] for chart in state["compareRunCharts"]}) == 3


def test_groups_are_closed_by_the_ids_of_mlflow() -> None:
    grouped = example(group_by=GroupBy(tags=["variant"], params=["budget.images"], groups=[("dcgan", "1000"), ("wgan", "")]))
    assert grouped["groupBy"]["groupByKeys"] == [
        {"mode": "tag", "groupByData": "variant"},
        {"mode": "param", "groupByData": "budget.images"},
    ]
    assert grouped["groupsExpanded"] == {
        "tag.variant.dcgan,param.budget.images.1000": False,
        "tag.variant.wgan,param.budget.images.null": False,
    }
    assert example()["groupBy"] is None


def test_packing_is_reversible_and_deterministic() -> None:
    state = example()
    value = packed("By variant", 1_700_000_000_000, state)
    assert packed("By variant", 1_700_000_000_000, example()) == value
    found = unpacked(value)
    assert found is not None
    assert found == {"name": "By variant", "createdAt": 1_700_000_000_000, "updatedAt": 1_700_000_000_000, "state": state}
    assert json.loads(value)["state"].startswith("deflate;")


@pytest.mark.parametrize(
    "damage", ["", "[]", "null", "{", '{"state": 5}', '{"state": "deflate;AAAA"}', '{"state": "deflate;é"}', "[" * 10_000]
)
def test_another_form_is_not_a_view(damage: str) -> None:
    assert unpacked(damage) is None
