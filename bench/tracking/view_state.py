"""State of a named view of an experiment, as MLflow's pages save it ("Save as new view" in MLflow 3.17). Does not import torch.

MLflow stores a view as the experiment's tag `mlflow.sharedViewState.<key>`: JSON with name, createdAt and updatedAt [ms since 1970] and state.
The state is "deflate;" and the base64 of zlib-compressed JSON. The link `?viewStateShareKey=<key>` opens the view in
MLflow 3.15 and newer. In 3.14 and older, its page stays empty. If MLflow 3.17 cannot unpack the state, it opens the plain page. It does not
check the types of all fields: a wrong type may lead to an error page.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PREFIX = "mlflow.sharedViewState."  # of the tag, before the key of the view
PACKED = "deflate;"
LONGEST = 5000  # characters of an experiment's tag in the oldest supported MLflow
COLUMNS = 2  # of charts beside each other, wide enough for the keys of metrics
IMAGES_HEIGHT = 900  # pixels of a chart of images
WIDTH = 180  # of a column in pixels, wide enough for the keys of metrics
STEP = {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""}  # x-axis of curves: the step, which is the number of images


@dataclass(frozen=True, kw_only=True)
class Section:
    """Section of charts. `name` is its heading."""

    name: str
    bars: Sequence[str] = ()  # keys of metrics
    curves: Sequence[str] = ()
    images: Sequence[tuple[str, int]] = ()  # keys of logged images, each with the step that is shown first
    is_open: bool = True

    @property
    def uuid(self) -> str:
        return f"ganbench {self.name}"


@dataclass(frozen=True, kw_only=True)
class GroupBy:
    """Tags and parameters that group runs. A group shows means."""

    tags: Sequence[str] = ()
    params: Sequence[str] = ()
    groups: Sequence[Sequence[str]] = ()  # values of the tags, then of the parameters, of each group; "" for a missing one

    @property
    def keys(self) -> list[tuple[str, str]]:
        """Keys as pairs ("tag" or "param", name)."""
        return [("tag", name) for name in self.tags] + [("param", name) for name in self.params]

    def closed(self) -> dict[str, bool]:
        """Return the groups by the ids of MLflow's pages, each closed, so that the list of runs has one row for each group."""
        ids = (
            ",".join(f"{mode}.{name}.{value or 'null'}" for (mode, name), value in zip(self.keys, group, strict=True))
            for group in self.groups
        )
        return dict.fromkeys(sorted(ids), False)

    def state(self) -> dict[str, Any]:
        """Return the form of MLflow's pages."""
        return {"aggregateFunction": "average", "groupByKeys": [{"mode": mode, "groupByData": name} for mode, name in self.keys]}


def view_state(
    *, query: str, order_by: str, ascending: bool, sections: Sequence[Section], without: Sequence[str] = (), group_by: GroupBy | None = None,
    columns: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """Return the state of a view.

    MLflow adds a chart for each metric without one, in the section of the metric's group. `without` lists metrics for which it adds none.
    """
    return {
        "searchFilter": query, "orderByKey": order_by, "orderByAsc": ascending,
        "startTime": "ALL", "lifecycleFilter": "Active", "datasetsFilter": [], "modelVersionFilter": "All Runs",
        "selectedColumns": list(columns), "columnOrder": list(columns),
        "columnWidths": dict.fromkeys(columns, WIDTH),
        "runsHiddenMode": "SHOW_ALL", "viewMaximized": False, "runListHidden": False, "hideEmptyCharts": True,
        "groupBy": group_by.state() if group_by else None, "groupsExpanded": group_by.closed() if group_by else {},
        "useGroupedValuesInCharts": True,
        "globalLineChartConfig": STEP,
        "compareRunSections": [
            {"uuid": section.uuid, "name": section.name, "display": section.is_open, "isReordered": True, **_layout(section)}
            for section in sections
        ],
        "isAccordionReordered": True,  # keeps the order of sections
        "compareRunCharts": [
            *(chart for section in sections for key in section.bars for chart in [_bar(key, section)]),
            *(chart for section in sections for key in section.curves for chart in [_curve(key, section)]),
            *(chart for section in sections for key, step in section.images for chart in [_images(key, step, section)]),
            *({"uuid": f"ganbench without {key}", "type": "BAR", "metricKey": key, "deleted": True} for key in without),
        ],
    }  # fmt: skip


def _layout(section: Section) -> dict[str, int]:
    return {"columns": 1, "cardHeight": IMAGES_HEIGHT} if section.images else {"columns": COLUMNS}


def _bar(key: str, section: Section) -> dict[str, Any]:
    return {**_chart("BAR", key, section), "metricKey": key}


def _curve(key: str, section: Section) -> dict[str, Any]:
    return {
        **_chart("LINE", key, section), **STEP, "metricKey": key, "selectedMetricKeys": [key], "xAxisScaleType": "linear",
        "scaleType": "linear", "range": {}, "yAxisKey": "metric", "yAxisExpressions": [], "ignoreOutliers": False,
        "useGlobalXaxisKey": True, "useGlobalLineSmoothing": True,
    }  # fmt: skip


def _images(key: str, step: int, section: Section) -> dict[str, Any]:
    return {**_chart("IMAGE", key, section), "imageKeys": [key], "step": step, "showRunParams": False}


def _chart(kind: str, key: str, section: Section) -> dict[str, Any]:
    return {
        "uuid": f"{section.uuid} {kind} {key}", "type": kind, "metricSectionId": section.uuid, "runsCountToCompare": 10, "deleted": False,
        "isGenerated": False,  # MLflow would turn a generated bar of a metric with steps into a curve
    }  # fmt: skip


def packed(name: str, created: int, state: Mapping[str, Any]) -> str:
    """Return the value of the tag of a view. `created` is in ms since 1970."""
    content = zlib.compress(json.dumps(state, sort_keys=True, separators=(",", ":")).encode(), level=9)
    text = PACKED + base64.b64encode(content).decode()
    return json.dumps({"name": name, "createdAt": created, "updatedAt": created, "state": text})


def unpacked(value: str) -> dict[str, Any] | None:
    """Return the value of the tag of a view with its state as JSON, or None if it is not in this form."""
    try:
        view = json.loads(value)
        content = zlib.decompress(base64.b64decode(view["state"].removeprefix(PACKED), validate=True))
        return {**view, "state": json.loads(content)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, zlib.error):
        return None
