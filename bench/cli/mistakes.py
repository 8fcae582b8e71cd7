"""One-line error messages for mistakes on the command line, and for stores and disks that fail.

Some versions of typer contain their own click, others use the installed one. This module uses only names that both have: the base class
of `typer.BadParameter`, the names of click's other exceptions, and their attributes.
"""

from __future__ import annotations

import errno
import re
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from bench.core.errors import UserError, nearest, one_line
from bench.core.source_hash import PACKAGES

# click's UsageError: typer exports only this subclass of it.
USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
LONGEST = 1000  # characters, because a longer message loses its middle
# Errors of the operating system, not of ganbench.
REFUSED = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENAMETOOLONG, errno.ENOTDIR}


class Verbs(TyperGroup):
    """Group of commands that suggests the nearest command for an unknown one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the first word names. Raises UserError for an unknown command."""
        word = args[0]
        if (word == "-" or not word.startswith("-")) and self.get_command(ctx, word) is None:
            group = " ".join(ctx.command_path.split()[1:])
            known = [f"{group} {name}".strip() for name in self.list_commands(ctx)]
            wanted = f"{group} {word}".strip()
            raise UserError(f"unknown command {wanted!r}" + nearest(wanted, known, most=1))
        return super().resolve_command(ctx, args)


def status_of(returned: object) -> int:
    """Return the exit status of a command: the status of `typer.Exit`, which click returns as the result, or 0."""
    return returned if isinstance(returned, int) else 0


def is_help(error: Exception) -> bool:
    """Return whether click has printed the help text because the user gave no arguments."""
    return type(error).__name__ == "NoArgsIsHelpError"


def mistake(error: Exception) -> str | None:
    """Return the error message for a mistake of the user or a system error, or None for an exception that may be a bug."""
    if isinstance(error, USAGE_ERROR):
        return one_line(_usage(error), most=LONGEST)
    if isinstance(error, UserError):
        return one_line(str(error), most=LONGEST)
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] not in PACKAGES:
        return f"the Python package {error.name!r} is missing: run `make setup`"
    if isinstance(error, FileNotFoundError) and not error.filename:  # raised by os.getcwd()
        return "the working folder no longer exists: cd to another folder"
    if isinstance(error, OSError) and error.errno in REFUSED:
        where = f": {error.filename!r}" if error.filename else ""
        advice = "; free space: `ganbench runs prune --older-than 30` lists old checkpoints" if error.errno == errno.ENOSPC else ""
        return one_line(f"system error: {error.strerror}{where}{advice}", most=LONGEST)
    return _store_error(error)


def _store_error(error: Exception) -> str | None:
    """Return the error message for an exception of the tracking store, or None for any other exception."""
    if "mlflow" not in sys.modules:
        return None
    from bench.tracking.store import error_line

    return error_line(error)


def _usage(error: Exception) -> str:
    """Return the error message for a usage error of click."""
    kind = type(error).__name__
    ctx = getattr(error, "ctx", None)
    if kind == "NoSuchOption":
        return _unknown_option(str(getattr(error, "option_name", "")), ctx)
    param = getattr(error, "param", None)
    see = f"; see `{ctx.command_path} --help`" if ctx is not None else ""
    if kind == "MissingParameter" and param is not None:
        return f"{_name(param)} is missing{see}"
    if param is not None:
        return f"{_name(param)}: {_reason(error)}"
    text = re.sub(r"^(Error: )?(\w)", lambda match: match[2].lower(), one_line(_text(error), most=LONGEST)).rstrip(".")
    return text + see


def _unknown_option(name: str, ctx: Any) -> str:
    """Return the error message for an unknown option, with the nearest option, or with the right place for an option of a command."""
    line = f"unknown option {name!r}"
    if ctx is None:
        return line
    commands = getattr(ctx.command, "commands", None)
    if commands and any(name in _options(command, ctx) for command in commands.values()):
        return f"{line} of {ctx.command_path}: put it after the command, as in `{ctx.command_path} COMMAND {name}`"
    return line + nearest(name, _options(ctx.command, ctx), most=1)


def _options(command: Any, ctx: Any) -> list[str]:
    """Return all options of a command, e.g. --seed."""
    return [option for param in command.get_params(ctx) for option in (*param.opts, *param.secondary_opts) if option.startswith("-")]


def _name(param: Any) -> str:
    """Return the name of a parameter as the user writes it: --seed, or VARIANT."""
    options = [option for option in param.opts if option.startswith("-")]
    return max(options, key=len) if options else str(param.name).upper()


def _reason(error: Exception) -> str:
    """Return the message for a bad value. It includes the value, which pydantic's own message omits."""
    text = str(getattr(error, "message", "")) or _text(error)
    problems = getattr(error.__cause__, "errors", None)
    value = problems()[0].get("input") if callable(problems) else None
    return text.rstrip(".") + (f", not {one_line(repr(value), most=80)}" if value is not None else "")


def _text(error: Exception) -> str:
    """Return the message of an exception. Exceptions of click have a method for it."""
    format_message = getattr(error, "format_message", None)
    return str(format_message() if format_message else error)
