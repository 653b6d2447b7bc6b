"""The command line: run the scanner, or see and change what the index says of files."""

import argparse
import csv
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TextIO

from sqlalchemy import Connection, Engine, select, update
from sqlalchemy.exc import DBAPIError

from services.g3_index.database import open_engine
from services.g3_index.schema import Status, files
from services.g3_scanner import listing
from services.g3_scanner.faults import outside, patiently, sentence
from services.g3_scanner.walking import look_at
from sisock.config import declared_options, load_settings
from sisock.errors import SettingError

_PROGRAM = "sisock-archive"
_MOST_IDS = 1000


def main(arguments: Sequence[str] | None = None, out: TextIO | None = None) -> int:
    """Do what the command line asks for.

    Parameters
    ----------
    arguments
        Those of the process when not given.
    out
        Where lists go; standard output when not given.

    Returns
    -------
    The exit status: 0 when it is done, 1 when it cannot be, or nothing matches.
    """
    asked = _parser().parse_args(arguments)
    out = sys.stdout if out is None else out
    try:
        engine = open_engine()
        if asked.command in {None, "run"}:
            return _run(engine)
        return int(asked.do(engine, asked, out))
    except SettingError as error:
        return _fail(str(error))
    except DBAPIError as error:
        return _fail(outside(error) or sentence(error))
    except BrokenPipeError:  # Whoever reads the list has seen enough.
        sys.stderr.close()
        return 0


def _fail(problem: str) -> int:
    sys.stderr.write(f"{_PROGRAM}: {problem}\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=_PROGRAM, description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("run", help="run the scanner until it is stopped; so does no command at all")

    def listed(name: str, about: str, make: Callable[[Connection, argparse.Namespace], listing.Listing]) -> Any:
        command = commands.add_parser(name, help=about, description=about)
        command.add_argument("--csv", action="store_true", help="write comma separated values")
        command.set_defaults(do=lambda engine, asked, out: _print(engine, asked, out, make))
        return command

    pattern = "part of a name, or a pattern with * and ? for all of it"
    states = listed("list", "state of each file", lambda c, asked: listing.states(c, asked.pattern, asked.status))
    states.add_argument("--status", type=_statuses, default=[], metavar="STATUS,..",
                        help=f"only files that are {', '.join(Status)}")  # fmt: skip
    for command in (
        states,
        listed("files", "files, their size and what of it is usable", lambda c, a: listing.file_list(c, a.pattern)),
        listed("providers", "feeds, and the size of their frames", lambda c, a: listing.provider_list(c, a.pattern)),
        listed("fields", "fields, and the number of their samples", lambda c, a: listing.field_list(c, a.pattern)),
    ):
        command.add_argument("pattern", nargs="?", help=pattern)
    listed("summary", "the archive in a few numbers", lambda c, _: listing.summary(c, time.time()))

    retry = commands.add_parser("retry", help="have files read again from their beginning")
    which = retry.add_mutually_exclusive_group(required=True)
    which.add_argument("pattern", nargs="?", help=pattern)
    which.add_argument("--failed", action="store_true", help="all that have failed")
    retry.set_defaults(do=_retry)
    forget = commands.add_parser("forget", help="take files that are really deleted out of the index")
    forget.add_argument("pattern", help=pattern)
    forget.set_defaults(do=_forget)
    return parser


def _statuses(text: str) -> list[str]:
    listed = [each.strip() for each in text.split(",") if each.strip()]
    for each in listed:
        if each not in list(Status):
            raise argparse.ArgumentTypeError(f"{each!r} is none of {', '.join(Status)}")
    return listed


def _run(engine: Engine) -> int:
    from services.g3_scanner.logs import start_logging
    from services.g3_scanner.scanner import Scanner

    settings = load_settings(declared_options("services.g3_scanner", "service.yml"))
    scanner = Scanner(settings, engine, start_logging())
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, scanner.stop)
    scanner.run()
    return 0


def _print(
    engine: Engine,
    asked: argparse.Namespace,
    out: TextIO,
    make: Callable[[Connection, argparse.Namespace], listing.Listing],
) -> int:
    with engine.connect() as connection:
        columns, rows = make(connection, asked)
    if asked.csv:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    else:
        out.writelines(f"{line}\n" for line in _lines(columns, rows))
    out.flush()
    return 0


def _lines(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Aligned columns, numbers to the right."""
    texts = [list(columns), *([str(value) for value in row] for row in rows)]
    widths = [max(len(text[at]) for text in texts) for at in range(len(columns))]
    right = [bool(rows) and isinstance(rows[0][at], int | float) for at in range(len(columns))]
    return [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(text, widths, right, strict=True)
        ).rstrip()
        for text in texts
    ]


def _retry(engine: Engine, asked: argparse.Namespace, out: TextIO) -> int:
    wanted = [Status.FAILED] if asked.failed else [each for each in Status if each != Status.MISSING]
    with engine.connect() as connection:
        ids = [row.id for row in listing.matching(connection, asked.pattern, wanted)]
    if not ids and asked.failed and not asked.pattern:
        out.write("nothing has failed\n")
        return 0
    return _set(engine, ids, Status.NEW, out, "files will be read again")


def _forget(engine: Engine, asked: argparse.Namespace, out: TextIO) -> int:
    with engine.connect() as connection:
        rows = list(listing.matching(connection, asked.pattern, [each for each in Status if each != Status.MISSING]))
    gone = [row.id for row in rows if look_at(row.path) is None]
    if len(gone) < len(rows):
        sys.stderr.write(f"{_PROGRAM}: {len(rows) - len(gone)} files are there and stay in the index\n")
    return _set(engine, gone, Status.MISSING, out, "files will be forgotten")


def _set(engine: Engine, ids: Sequence[int], status: Status, out: TextIO, what: str) -> int:
    if not ids:
        return _fail("no such file in the index")

    def write(some: Sequence[int], connection: Connection) -> None:
        # Locked in the order of their ids, as everybody does.
        connection.execute(select(files.c.id).where(files.c.id.in_(some)).order_by(files.c.id).with_for_update())
        change = {"status": status, "problem": None, "due": True}
        connection.execute(update(files).where(files.c.id.in_(some)).values(change))

    for at in range(0, len(ids), _MOST_IDS):
        some = ids[at : at + _MOST_IDS]
        patiently(engine, partial(write, some))
    out.write(f"{len(ids)} {what}\n")
    return 0
