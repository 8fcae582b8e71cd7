"""Jobs: units of work that the scheduler sends to workers, in this process or on another machine.

A kind of job is a subclass of `Job`. Its fields are the parameters, and `do` executes it. The executor sends a job to a worker as JSON that
names its class. So another package can define further kinds.
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
    repeated: ClassVar[bool] = True  # whether the executor restarts the job if its worker dies

    name: str  # for the display
    key: str  # unique among the jobs of a command: the fingerprint of a run, a run id, or a key of a reference row
    folder: str
    dataset: str = ""  # of the evaluation. The driver sends its classifier to the worker

    def do(self, stop: Callable[[], bool], watch: Watch) -> RunResult:
        """Execute the job in this process."""
        raise NotImplementedError

    def record_failure(self, reason: str) -> RunResult:
        """Record that the job failed, and return the result. Only a job that trains a run writes to the store."""
        return RunResult(run_id="", variant=self.name, dataset="", seed=-1, status="failed", reason=reason)

    def record_stop(self, reason: str) -> None:
        """Record that the cluster has lost the machine of the job, so that another machine can resume the job."""

    def waiting_job(self) -> Self | None:
        """Return a copy of the job that waits for the process that executes it now. The result is None if this job waits already, or cannot wait."""
        return None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def class_path(self) -> str:
        """Class of the job as `module:CLASS`."""
        return f"{type(self).__module__}:{type(self).__qualname__}"

    @staticmethod
    def from_json(text: str) -> Job:
        """Return the job from the JSON that `model_dump_json` of any kind of job returned."""
        module, _, name = str(json.loads(text)["class_path"]).partition(":")
        found: type[Job] = getattr(importlib.import_module(module), name)
        return found.model_validate_json(text)


J = TypeVar("J", bound=Job)
Update = Callable[[Any, RunProgress], None]  # gets a job and its progress


def attempt(job: Job, stop: Callable[[], bool], watch: Watch) -> RunResult:
    """Execute a job in this process. Any error but UserError becomes a failed result."""
    try:
        return job.do(stop, watch)
    except UserError:
        raise
    except Exception as error:
        log.error("the job %s raised an error", job.name, exc_info=True)
        return fail_job(job, f"{type(error).__name__}: {one_line(error, most=500)}")


def fail_job(job: Job, reason: str) -> RunResult:
    """Log and record that a job failed, and return the result."""
    log.error("%s failed: %s", job.name, reason)
    return job.record_failure(reason)
