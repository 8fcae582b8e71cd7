"""Processes of the contenders, each with its own threads and memory."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

from bench.core.config import RunConfig, load_config
from bench.core.errors import UserError

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
END_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A benchmarked loop, its number of threads and its number of parallel processes."""

    loop: str  # a name that `bench.perf.loops.loop` knows
    config: RunConfig
    threads: int
    processes: int = 1


class Runner(Protocol):
    """The interface of the objects that `race` times."""

    def go(self, seconds: float) -> tuple[float, float]:
        """Run for a number of seconds. Returns (units of work, seconds) of the turn."""
        ...


class Host:
    """The processes of one contender. They work only during `go`."""

    def __init__(self, contender: Contender) -> None:
        with environment_of(contender.threads):
            self._members = [_Member(contender) for _ in range(contender.processes)]

    def go(self, seconds: float) -> tuple[float, float]:
        """Run one turn. Returns (work of all processes, seconds of the slowest process)."""
        for member in self._members:
            member.send(seconds)
        laps = [member.receive() for member in self._members]
        return sum(done for done, _ in laps), max(duration for _, duration in laps)

    def extra_memory_mb(self) -> float:
        """Return the largest peak memory of a process in MB, without the memory of torch and its libraries before training."""
        for member in self._members:
            member.send("memory")
        return max(float(member.receive()) for member in self._members)

    def close(self) -> None:
        """Terminate the processes."""
        for member in self._members:
            member.close()


class _Member:
    def __init__(self, contender: Contender) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, contender.loop, contender.config.canonical(), contender.threads)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def send(self, request: float | str) -> None:
        """Request a turn of so many seconds, or the peak memory ("memory")."""
        with suppress(OSError):  # the process has exited: `receive` reports it
            self._pipe.send(request)

    def receive(self) -> Any:
        """Return the reply to a request. Raises UserError for a mistake of the user, or if the process has exited."""
        try:
            kind, value = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(END_SECONDS)
            raise UserError(
                f"a process of `ganbench perf` exited without a result (status {self._process.exitcode}): if memory is full, free some"
            ) from error
        if kind == "mistake":
            raise UserError(value)
        if kind == "error":
            raise RuntimeError(value)
        return value

    def close(self) -> None:
        """Terminate the process."""
        self._process.terminate()
        self._process.join(END_SECONDS)
        self._pipe.close()


@contextmanager
def hosts(contenders: Mapping[str, Contender]) -> Iterator[dict[str, Host]]:
    """Context manager that starts the processes of all contenders and terminates them on exit."""
    running: dict[str, Host] = {}
    try:
        for name, contender in contenders.items():
            running[name] = Host(contender)
        yield running
    finally:
        for host in running.values():
            host.close()


@contextmanager
def environment_of(threads: int) -> Iterator[None]:
    """Context manager that sets the number of threads of new processes."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _serve(pipe: Connection, name: str, config_json: str, threads: int) -> None:
    try:
        import torch

        from bench.core.memory import forget_peak_memory, keep_freed_memory, peak_memory_mb
        from bench.core.registry import load_catalogs
        from bench.perf.loops import loop

        torch.set_num_threads(threads)
        load_catalogs()
        cpu = torch.device("cpu")
        torch.nn.functional.conv2d(torch.rand(1, 1, 8, 8), torch.rand(1, 1, 3, 3))  # loads the libraries that torch loads at first use
        forget_peak_memory(cpu)
        own = peak_memory_mb(cpu)
        if name != "tutorial":  # as `run` does: a hand-written loop can do the same
            keep_freed_memory()
        go = loop(name, load_config(config_json))
        while True:
            request = pipe.recv()
            pipe.send(("done", peak_memory_mb(cpu) - own if request == "memory" else tuple(go(request))))
    except (EOFError, OSError, KeyboardInterrupt):
        return
    except UserError as error:
        pipe.send(("mistake", str(error)))
    except Exception:
        pipe.send(("error", traceback.format_exc()))
