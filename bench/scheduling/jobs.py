"""A job: one thing to do in an execution, in this process or in a worker on any machine.

A kind of job is a subclass of `Job`: its fields say what to do, `do` does it. It travels as JSON that names its class, so another package
adds a kind by defining one.
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
    """One thing to do. `name` is what a display shows."""

    model_config = ConfigDict(frozen=True)

    kind: ClassVar[str]  # in one word
    repeated: ClassVar[bool] = True  # whether it starts again where its worker died

    name: str
    key: str  # unique in an execution: the fingerprint, the run id, the reference's name
    folder: str
    dataset: str = ""  # that it measures on: a worker gets the classifier of this data, and trains none itself

    def do(self, stop: Callable[[], bool], watch: Watch) -> RunResult:
        """Do it in this process."""
        raise NotImplementedError

    def record_failure(self, reason: str) -> RunResult:
        """Record that its process could not do it. One that trains no run itself only has a result."""
        return RunResult(run_id="", variant=self.name, dataset="", seed=-1, status="failed", reason=reason)

    def record_stop(self, reason: str) -> None:
        """Record that its process is gone with its machine, so that the job can continue elsewhere."""

    def waiting(self) -> Self | None:
        """The same job once more, to wait for the process that does it; None if it has waited, or never waits."""
        return None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def class_path(self) -> str:
        """Its class as `module:CLASS`."""
        return f"{type(self).__module__}:{type(self).__qualname__}"

    @staticmethod
    def from_json(text: str) -> Job:
        """The job of which `model_dump_json` made this text."""
        module, _, name = str(json.loads(text)["class_path"]).partition(":")
        found: type[Job] = getattr(importlib.import_module(module), name)
        return found.model_validate_json(text)


J = TypeVar("J", bound=Job)
Update = Callable[[Any, RunProgress], None]  # of a job


def attempt(job: Job, stop: Callable[[], bool], watch: Watch) -> RunResult:
    """Do one job in this process. What it raises becomes a result that has failed, but for mistakes of the user."""
    try:
        return job.do(stop, watch)
    except UserError:
        raise
    except Exception as error:
        log.error("%s", job.name, exc_info=True)
        return failed(job, f"{type(error).__name__}: {one_line(error, most=500)}")


def failed(job: Job, reason: str) -> RunResult:
    """Record a job whose process could not do it."""
    log.error("%s failed: %s", job.name, reason)
    return job.record_failure(reason)
