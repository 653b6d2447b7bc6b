"""What is asked on the command line, and the one line that says why it cannot be done."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from io import TextIOWrapper
from typing import Any, NoReturn

from sisock.bridge import TIMEOUT, URL, connect
from sisock.cli import commands
from sisock.errors import SisockError
from sisock.moments import duration

PROGRAM = "sisock"
_INTERRUPTED = 130
_TIMES = (
    "TIME is ISO 8601 (UTC, unless it has an offset), UNIX seconds, now, or a time before it: -30m, -2h, -7d. "
    "FIELD is a name, SERVER::NAME, or a pattern with * and ?, in quotes."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for.

    Parameters
    ----------
    arguments
        Those of the process when not given.

    Returns
    -------
    The exit status: 0 when it is done; 1 when it cannot be, or something is wrong; 2 when it is not understood; 130
    after Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # A terminal may lack the letters of a unit.
    try:
        asked = _parser().parse_args(_joined(sys.argv[1:] if arguments is None else arguments))
        with connect(asked.url, asked.timeout) as bridge:
            status: int = asked.do(bridge, asked)
            sys.stdout.flush()
        return status
    except SisockError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever reads has seen enough. Nothing is to be said when Python flushes at its end, either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # A file that cannot be written; the bridge's are explained where they are met.
        return _fail(f"{error.filename or 'the output'} cannot be written: {error.strerror or error}")
    except Exception as error:  # A fault of ours; a person in a hurry has no use for where it is.
        if sys.flags.dev_mode:
            raise
        return _fail(f"failed on {type(error).__name__}: {error}; 'python -X dev -m sisock.cli ..' shows where")


def _fail(problem: str) -> int:
    commands.say(problem)
    return 1


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        commands.say(f"{message}; see '{self.prog} --help'")
        sys.exit(2)


def _joined(arguments: Sequence[str]) -> list[str]:
    """Write ``--from -2h`` as ``--from=-2h``, which argparse would take for an option."""
    joined: list[str] = []
    for each in arguments:
        if joined and joined[-1] in {"--from", "--to"}:
            joined[-1] += f"={each}"
        else:
            joined.append(each)
    return joined


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=PROGRAM, description="Look at an observatory's data.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {_version()}")
    parser.add_argument("--url", help=f"address of the bridge, else SISOCK_URL of the environment, else {URL}")
    parser.add_argument("--timeout", type=_number, default=TIMEOUT, metavar="SECONDS", help="how long to wait for it")
    listed = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, about: str, do: Any, *, more: str = "") -> argparse.ArgumentParser:
        made = listed.add_parser(name, help=about, description=about, epilog=more, allow_abbrev=False)
        made.set_defaults(do=do)
        return made

    nodes = command("nodes", "the data servers", commands.nodes)
    fields = command("fields", "the fields, with type, units and description", commands.fields)
    fields.add_argument(
        "pattern", nargs="?", default="", help="part of a name, or a pattern with * and ? for all of it"
    )
    fields.add_argument("--node", metavar="SERVER", help="only those of one data server")
    fields.add_argument("--regex", action="store_true", help="take the pattern for a regular expression (RE2)")
    status = command(
        "status", "router, hub, certificates, data servers, their newest samples; exit status 1 if anything is wrong",
        commands.status,
    )  # fmt: skip
    get = command("get", "samples, as a table or into a file", commands.get, more=_TIMES)
    get.add_argument("field", nargs="+", metavar="FIELD")
    get.add_argument("--from", dest="start", default="-1h", metavar="TIME", help="begin of the range (default: -1h)")
    get.add_argument("--to", dest="end", default="now", metavar="TIME", help="end, not included (default: now)")
    how = get.add_mutually_exclusive_group()
    how.add_argument("--stride", metavar="SECONDS", help="points so far apart (or 5m, 1h), instead of every sample; "
                     "the extremes are kept")  # fmt: skip
    how.add_argument("--points", type=_count, metavar="N", help="at most so many points of each field, likewise")
    get.add_argument("--operator", metavar="NAME", help="of each stride, its mean, min, max, first, last, count or sum")
    files = get.add_mutually_exclusive_group()
    files.add_argument("--parquet", metavar="FILE", help="write a Parquet file, for pandas and the like")
    for each in (nodes, fields, status, files):
        each.add_argument("--csv", metavar="FILE", help="write comma separated values; - is the standard output")
    watch = command("watch", "newest samples as they come, until Ctrl-C", commands.watch, more=_TIMES)
    watch.add_argument("field", nargs="+", metavar="FIELD")
    watch.add_argument("--every", type=_duration, default=1.0, metavar="SECONDS", help="how often to look (default: 1)")
    watch.add_argument("-n", "--lines", type=_count, metavar="N", help="end after so many samples")
    return parser


def _version() -> str:
    try:
        return version(PROGRAM)
    except PackageNotFoundError:
        return "of a checkout that is not installed"


def _number(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _duration(text: str) -> float:
    try:
        return duration(text)
    except SisockError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


# What argparse calls them in its complaints.
_number.__name__, _count.__name__ = "number above zero", "whole number above zero"
