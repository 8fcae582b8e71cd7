"""Jobs: the units of work of an execution, in this process or in a worker on any machine.

A kind of job is a subclass of `Job`. Its fields are the parameters, and `do` executes it. It is sent to workers as JSON that names its class, so
another package can define further kinds.
"""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Callable
from typing import Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, computed_field

from bench.core.errors import UserError, one_line
from bench.runs.types import RunProgress, RunResult, Watch

log = logging.getLogger(__name__)


class Job(BaseModel):
    """Base class of jobs."""

    model_config = ConfigDict(frozen=True)

    kind: ClassVar[str]  # name of the kind
    repeated: ClassVar[bool] = True  # whether it is started again if its worker dies

    name: str  # for the display
    key: str  # unique in an execution: a fingerprint, a run id, or the name of a reference row
    folder: str
    dataset: str = ""  # to measure on: the driver sends its classifier to the worker, which trains none

    def do(self, stop: Callable[[], bool], watch: Watch) -> RunResult:
        """Execute the job in this process."""
        raise NotImplementedError

    def record_failure(self, reason: str) -> RunResult:
        """Record that the job failed with its process, and return the result. Only a job that trains a run records anything."""
        return RunResult(run_id="", variant=self.name, dataset="", seed=-1, status="failed", reason=reason)

    def record_stop(self, reason: str) -> None:
        """Record that the machine of the job was lost, so that another one can resume it."""

    def waiting_job(self) -> Self | None:
        """Return the same job set to wait for the process that executes it; None if it has waited already, or never waits."""
        return None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def class_path(self) -> str:
        """Class of the job as `module:CLASS`."""
        return f"{type(self).__module__}:{type(self).__qualname__}"

    @staticmethod
    def from_json(text: str) -> Job:
        """Return the job from the text of `model_dump_json`."""
        module, _, name = str(json.loads(text)["class_path"]).partition(":")
        found: type[Job] = getattr(importlib.import_module(module), name)
        return found.model_validate_json(text)


J = TypeVar("J", bound=Job)
Update = Callable[[Any, RunProgress], None]  # of a job


def attempt(job: Job, stop: Callable[[], bool], watch: Watch) -> RunResult:
    """Execute a job in this process. Any error but UserError becomes a failed result."""
    try:
        return job.do(stop, watch)
    except UserError:
        raise
    except Exception as error:
        log.error("%s", job.name, exc_info=True)
        return fail_job(job, f"{type(error).__name__}: {one_line(error, most=500)}")


def fail_job(job: Job, reason: str) -> RunResult:
    """Log and record that a job failed, and return the result."""
    log.error("%s failed: %s", job.name, reason)
    return job.record_failure(reason)
