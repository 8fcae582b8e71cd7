"""The built-in metrics: functions of a few lines that compute a value from the evidence. Their cards explain the metrics."""

from __future__ import annotations

from bench.metrics.definitions import diversity, memorisation, modes, quality, translation

__all__ = ["diversity", "memorisation", "modes", "quality", "translation"]
