"""The tasks, by name."""

from __future__ import annotations

from collections.abc import Mapping

from bench.core.spec import DataShape, TaskName
from bench.tasks.generation import GENERATION
from bench.tasks.task import Task
from bench.tasks.translation import DOMAINS, PAIRED, UNPAIRED

TASKS: Mapping[TaskName, Task] = {task.name: task for task in (GENERATION, PAIRED, UNPAIRED, DOMAINS)}


def task_of(data: DataShape) -> Task:
    """Return the task of data with this shape."""
    return TASKS[data.task]
