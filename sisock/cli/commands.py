"""What each command does with the bridge."""

import argparse
import csv
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from sisock.answers import BridgeAbsent, Data, FieldMissing
from sisock.bridge import Bridge, Watch
from sisock.cli.printing import cell, columns, names_of, short
from sisock.errors import SisockError
from sisock.moments import ago, iso

_STANDARD_OUTPUT = "-"
# Only the hub knows; without it, the bridge asks servers that it knows of all the same.
_ONLINE = {True: "yes", False: "no", None: "unknown"}
_MOST_SAID = 5


def say(sentence: str) -> None:
    """Write one line to the standard error stream."""
    sys.stderr.write(f"sisock: {' '.join(sentence.split())}\n")


def nodes(bridge: Bridge, asked: argparse.Namespace) -> int:
    """List the data servers."""
    state = bridge.state()
    if not (state.router and state.hub):
        say(_absence(state.router))
    head = ("server", "online", "fields", "description")
    _list(head, ((n.name, _ONLINE[n.online], n.fields, n.description or "") for n in state.nodes), asked.csv)
    return 0 if state.router and state.hub else 1


def fields(bridge: Bridge, asked: argparse.Namespace) -> int:
    """List fields."""
    listed = bridge.fields(asked.pattern, asked.node, "regex" if asked.regex else None)
    if not listed:
        if asked.node is not None and asked.node not in {each.name for each in bridge.nodes()}:
            raise FieldMissing(f"there is no data server {asked.node!r}; 'sisock nodes' lists them")
        of = "" if asked.node is None else f" of data server {asked.node!r}"
        raise FieldMissing(
            f"no field{of} matches {asked.pattern!r}; 'sisock fields' lists all, 'sisock nodes' who is online"
        )
    rows = (
        (each.name, each.type, each.units or "", "stale" if each.stale else "", each.description or "")
        for each in listed
    )
    _list(("field", "type", "units", "stale", "description"), rows, asked.csv)
    return 0


def status(bridge: Bridge, asked: argparse.Namespace) -> int:
    """Show router, hub, certificates and data servers."""
    state = bridge.status()
    now = time.time()
    if asked.csv is None:
        for what, there in (("router", state.router), ("hub", state.hub)):
            sys.stdout.write(f"{what}: {'answers' if there else 'does not answer'}\n")
        for each in state.certificates:
            until = "cannot be read" if each.ends is None else f"lasts until {iso(each.ends, 0)}"
            sys.stdout.write(f"certificate {each.name}: {until}\n")
    rows = []
    for node in state.nodes:
        newest = "" if node.newest is None else f"{iso(node.newest, 0)} ({ago(max(now - node.newest, 0.0))} ago)"
        problem = node.problem or ("it is not listed by the hub" if node.online is False else "")
        if not node.joins:
            rows.append((node.name, _ONLINE[node.online], node.fields, newest, problem))
    _list(("server", "online", "fields", "newest sample", "last problem"), rows, asked.csv)
    if not (state.router and state.hub):
        say(_absence(state.router))
        return 1
    ending = [each.problem for each in state.certificates if each.problem]
    for problem in ending:
        say(problem)
    return 1 if ending or any(row[4] for row in rows) else 0


def _absence(router: bool) -> str:
    missing = "the hub does not answer" if router else "the bridge is not connected to the WAMP router"
    return f"{missing}; look at 'supervisorctl status {'sisock:hub' if router else 'router:'}'"


def get(bridge: Bridge, asked: argparse.Namespace) -> int:
    """Show samples, or write them to a file; what is missing is told, and the rest is shown."""
    if asked.operator and asked.stride is None and asked.points is None:
        raise SisockError("--operator needs --stride or --points, which say of how much time it is to be")
    if asked.parquet is not None:
        from sisock.tables import require_pyarrow

        require_pyarrow()  # Before anybody has waited.
    data = bridge.get(asked.field, asked.start, asked.end, asked.stride, asked.points, asked.operator)
    if data or not data.missing:
        if asked.parquet is not None:
            data.to_parquet(asked.parquet)
        elif asked.csv not in {None, _STANDARD_OUTPUT}:
            data.to_csv(asked.csv)
        elif data or asked.csv:
            _show(data, asked.csv is not None)
    notices = dict.fromkeys(notice for series in data.values() for notice in series.notices)
    said = list(dict.fromkeys((*data.missing.values(), *data.empty.values(), *notices)))
    for sentence in said[:_MOST_SAID]:
        say(sentence)
    if len(said) > _MOST_SAID:
        say(f"and {len(said) - _MOST_SAID} more of this kind")
    return 1 if data.missing or not all(series.whole for series in data.values()) else 0


def _show(data: Data, as_csv: bool) -> None:
    from sisock.tables import rows, write_csv

    if as_csv:
        write_csv(data.table(), sys.stdout)
        return
    heads = names_of(data)
    texts = ((iso(t, 3), *map(cell, values)) for t, *values in rows(data.table()))
    sys.stdout.writelines(columns(("time", *heads), texts, right=range(1, len(heads) + 1)))


def watch(bridge: Bridge, asked: argparse.Namespace) -> int:
    """Show samples as they come. Once it has begun, it goes on while the bridge or a data server is away."""
    looks = Watch(bridge, asked.field)
    left: int | None = asked.lines
    told: set[str] = set()
    begun = False
    while True:
        try:
            samples = looks.look()
            wrong = {*looks.missing.values(), *looks.empty.values()}
            if not begun and len(looks.missing) == len(looks.names):
                raise FieldMissing("; ".join(dict.fromkeys(looks.missing.values())))
            begun = True
        except BridgeAbsent as error:
            if not begun:
                raise
            samples, wrong = [], {str(error)}
        for sentence in sorted(wrong - told):
            say(sentence)
        told = wrong
        for each in islice(samples, left):
            value = f"{cell(each.value)} {each.units or ''}".rstrip()
            sys.stdout.write(f"{iso(each.t, 3)}  {short(each.name, looks.names)}  {value}\n")
        sys.stdout.flush()
        left = None if left is None else left - len(samples)
        if left is not None and left <= 0:
            return 0
        time.sleep(asked.every)


def _list(head: Sequence[str], rows: Iterable[Sequence[Any]], path: str | None) -> None:
    if path is None:
        texts = [[cell(value) for value in row] for row in rows]
        sys.stdout.writelines(columns(head, texts, right=[head.index("fields")] if "fields" in head else []))
        return

    def write(out: Any) -> None:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)

    _into(path, write)


def _into(path: str, write: Callable[[Any], None]) -> None:
    if path == _STANDARD_OUTPUT:
        write(sys.stdout)
        return
    with open(path, "w", encoding="utf-8", newline="") as file:
        write(file)
