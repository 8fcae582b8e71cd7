"""Reports: statistics of recorded runs, rendered as HTML and markdown. They read the MLflow store and import no torch."""

from __future__ import annotations

from bench import MovedModules

MOVED = {  # the new name of each renamed module
    "reports.apart": "reports.cohort_differences",
    "reports.check": "reports.baseline_check",
    "reports.files": "reports.io",
    "reports.plots.filled": "reports.plots.mode_shares",
    "reports.plots.means": "reports.plots.seed_means",
    "reports.sections.across": "reports.sections.across_datasets",
    "reports.sections.everything": "reports.sections.all_metrics",
    "reports.sections.figures": "reports.sections.metric_tables",
    "reports.sections.study_words": "reports.sections.study_text",
    "reports.sections.target": "reports.sections.time_to_target",
    "reports.sections.wall": "reports.sections.sample_grids",
    "reports.select": "reports.filter_runs",
    "reports.study_record": "reports.study_reader",
    "reports.tuned": "reports.tuning_outcomes",
}
MovedModules.answer(MOVED)
