"""The harness, which trains, measures and records every variant."""

from __future__ import annotations

import sys
from collections.abc import Mapping

MOVED = {  # old name of a module -> what to import instead
    "bench.artifacts": "bench.tracking.artifacts",
    "bench.assemble": "bench.runs.preparation or bench.training.build",
    "bench.attach": "bench.tracking.attachments",
    "bench.auto": "bench.runs.auto_choice",
    "bench.best": "bench.evaluation.best_checkpoint",
    "bench.campaign": "bench.scheduling.scheduler",
    "bench.cards": "bench.metrics.columns",
    "bench.carried": "bench.metrics.columns.recorded",
    "bench.catalogue_tables": "bench.cli.tables",
    "bench.checkpoint": "bench.core.serialization",
    "bench.checks": "bench.cli.machine_checks",
    "bench.claim": "bench.runs.lock or bench.core.lock_check",
    "bench.cluster": "bench.scheduling.cluster",
    "bench.config": "bench.core.config",
    "bench.data_record": "bench.data.record",
    "bench.decide": "bench.scheduling.planner",
    "bench.delivery": "bench.tracking.delivery",
    "bench.display": "bench.scheduling.progress",
    "bench.doctor": "bench.cli.doctor",
    "bench.ema": "bench.training.ema",
    "bench.entry": "bench.tracking.journal",
    "bench.environment": "bench.core.environment",
    "bench.errors": "bench.core.errors",
    "bench.estimate": "bench.scheduling.estimate",
    "bench.evaluate": "bench.evaluation.evaluator",
    "bench.execute": "bench.scheduling.executor",
    "bench.export": "bench.evaluation.export",
    "bench.feed": "bench.training.batches",
    "bench.file_client": "bench.tracking.file_client",
    "bench.files": "bench.core.atomic_files",
    "bench.foreign": "bench.evaluation.external_generator",
    "bench.image_folder": "bench.evaluation.image_folder",
    "bench.images": "bench.evaluation.external_images",
    "bench.job": "bench.scheduling.jobs",
    "bench.kept": "bench.runs.checkpointing or bench.training.checkpoints",
    "bench.latents": "bench.evaluation.latent_space",
    "bench.load": "bench.evaluation.generator",
    "bench.machine": "bench.cli.machine_checks",
    "bench.measure": "bench.evaluation.external",
    "bench.memory": "bench.core.memory",
    "bench.metrics.bins": "bench.metrics.ndb",
    "bench.metrics.cards": "bench.metrics.columns",
    "bench.metrics.extractors.choice": "bench.metrics.extractors.select",
    "bench.metrics.extractors.contract": "bench.metrics.extractors.base",
    "bench.metrics.extractors.plan": "bench.metrics.extractors.training_plan",
    "bench.metrics.extractors.shipped": "bench.metrics.extractors.bundled",
    "bench.metrics.extractors.trained": "bench.metrics.extractors.local",
    "bench.metrics.half": "bench.metrics.half_sample_evidence",
    "bench.metrics.halves": "bench.metrics.half_samples",
    "bench.metrics.health": "bench.runs.health",
    "bench.metrics.kept": "bench.metrics.cache",
    "bench.metrics.paths": "bench.metrics.diversity",
    "bench.metrics.reference": "bench.metrics.real_statistics",
    "bench.metrics.shown": "bench.metrics.evidence_json",
    "bench.metrics.structure": "bench.metrics.ms_ssim",
    "bench.metrics.table": "bench.metrics.definitions",
    "bench.metrics.train_extractor": "bench.metrics.extractors.train or bench.metrics.extractors.classifier_training",
    "bench.names": "bench.core.text",
    "bench.news": "bench.scheduling.messages",
    "bench.npz": "bench.evaluation.npz",
    "bench.optimisers": "bench.training.optimizers",
    "bench.outbox": "bench.tracking.journal",
    "bench.pages": "bench.tracking.pages",
    "bench.parallel": "bench.scheduling.ray_executor",
    "bench.perf.shown": "bench.perf.report",
    "bench.pictures": "bench.evaluation.grids",
    "bench.plausible": "bench.evaluation.value_checks",
    "bench.points": "bench.evaluation.external_points",
    "bench.precision": "bench.training.precision",
    "bench.processor": "bench.runs.processor_speed",
    "bench.record": "bench.runs.recorder or bench.runs.types",
    "bench.references": "bench.evaluation.reference_rows or bench.runs.reference_rows",
    "bench.registry": "bench.core.registry",
    "bench.relocation": "bench.tracking.relocation",
    "bench.rescore": "bench.scheduling.rescoring",
    "bench.results": "bench.tracking.results",
    "bench.run": "bench.runs.runner, bench.runs.types, bench.core.threads, bench.core.atomic_files or bench.training.checkpoints",
    "bench.run_log": "bench.tracking.run_logger",
    "bench.sampling": "bench.evaluation.sampling",
    "bench.scatter": "bench.evaluation.scatter",
    "bench.score": "bench.runs.rescoring",
    "bench.seeding": "bench.core.random_streams",
    "bench.source_hash": "bench.core.source_hash",
    "bench.spec": "bench.core.spec",
    "bench.stopping": "bench.scheduling.signals",
    "bench.store": "bench.tracking.store",
    "bench.suite": "bench.scheduling.suite",
    "bench.suites": "bench.scheduling.catalog",
    "bench.tags": "bench.tracking.tags",
    "bench.tracking.DONE": "bench.tracking.client",
    "bench.tracking.Lookup": "bench.tracking.client",
    "bench.tracking.Tracker": "bench.tracking.client",
    "bench.tracking.is_trained_elsewhere": "bench.tracking.client",
    "bench.tracking.owner": "bench.tracking.client",
    "bench.train": "bench.training.loop",
    "bench.waiting": "bench.runs.pending_writes",
    "bench.words": "bench.core.text",
}


class MovedModules:
    """Import finder that names the new location of a module that has moved.

    It precedes the other finders, because the folder of a removed package may still exist.
    """

    def __init__(self, moved: Mapping[str, str]) -> None:
        self._moved = moved

    @classmethod
    def answer(cls, moved: Mapping[str, str]) -> None:
        """Install a finder for these old names. Call it once for each package."""
        sys.meta_path.insert(0, cls(moved))

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise ImportError for a moved module. Return None for any other name."""
        if name in self._moved:
            raise ImportError(f"{name} has moved: import {self._moved[name]}", name=name)


MovedModules.answer(MOVED)
