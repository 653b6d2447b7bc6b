"""Read through the bridge: for scripts and notebooks, on the machine or at the other end of an ssh tunnel.

It needs no account, and neither the reactor nor a data server's packages: HTTP to one port is all.

>>> from sisock.bridge import connect
>>> with connect() as bridge:
...     data = bridge.get(["weather::apex_pressure"], "2017-07-15", "2017-07-16")
>>> series = data["weather::apex_pressure"]
>>> series.t, series.values, series.units
>>> data.frame()  # of pandas, where it is installed
"""

import http.client
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from sisock.answers import (
    EMPTY,
    TOO_MUCH,
    BridgeAbsent,
    BridgeRefused,
    CertificateState,
    Data,
    FieldInfo,
    FieldMissing,
    Newest,
    NodeState,
    Sample,
    Series,
    State,
    arrays,
    code_of,
    series_of,
)
from sisock.errors import SettingError, SisockError
from sisock.moments import duration, moment

URL = "http://127.0.0.1:5000"
"""Where the bridge is when nobody says otherwise: here, or at the other end of ``ssh -L 5000:localhost:5000``."""
TIMEOUT = 30.0
"""Seconds to wait for the bridge, which has given up before that."""

Time = str | float | datetime
"""A time: as `sisock.moments.moment` reads it, UNIX seconds, or a datetime (UTC when it has no zone)."""

_WILD = frozenset("*?[")
_PAGE = 10_000
_MOST_NAMES, _MOST_CHARACTERS = 100, 6000
_SHORTEST = 1e-3
_LOOKED_BACK = ("-10m", "-1d", "1.0")
"""Where a newest sample is looked for, one after the other: near, and then in all time."""
_LIVE_SECONDS, _KEPT_SECONDS = 60.0, 3600.0
_MOST_LISTED, _MOST_LOOKED_AT = 1000, 20


class Bridge:
    """Asks the bridge; made by `connect`. For one thread."""

    def __init__(self, url: str, timeout: float) -> None:
        self.url = url.rstrip("/")
        with suppress(ValueError):
            parts = urlsplit(self.url)
            if parts.scheme in {"http", "https"} and parts.hostname and not (parts.query or parts.fragment):
                kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
                self._connection = kind(parts.hostname, parts.port, timeout=timeout)
                self._path = parts.path
                return
        raise SettingError("SISOCK_URL", f"{url[:80]!r} is no address of a bridge", f"write it as {URL}")

    # -- what there is ------------------------------------------------------------------------------------------

    def state(self) -> State:
        """Router, hub, data servers and certificates as they are now."""
        reply = self._ask("nodes", [])
        nodes = [NodeState(**(each | {"joins": tuple(each["joins"])})) for each in reply["nodes"]]
        # A bridge of an earlier release says nothing of certificates.
        certificates = tuple(CertificateState(**each) for each in reply.get("certificates", ()))
        return State(reply["router"], reply["hub"], nodes, certificates)

    def nodes(self) -> list[NodeState]:
        """Data servers: those online, and those that should be, or that the bridge remembers."""
        return self.state().nodes

    def fields(self, pattern: str = "", node: str | None = None, kind: str | None = None) -> list[FieldInfo]:
        """Fields whose names hold a text, or match a pattern with ``*``, ``?`` or ``[..]``; in any case of letters.

        The likeliest come first; without a pattern, all in the order of the alphabet.

        Parameters
        ----------
        pattern
            The text or the pattern; a pattern is of all of ``node::field``, or of all of ``field``.
        node
            Name of the only data server to look at.
        kind
            What the pattern is: ``text``, ``glob`` or ``regex`` (of RE2, found anywhere in ``node::field``).
        """
        found: list[FieldInfo] = []
        asked = [("match", pattern), ("limit", str(_PAGE))]
        asked += [(key, value) for key, value in (("node", node), ("kind", kind)) if value is not None]
        while True:
            reply = self._ask("fields", [*asked, ("offset", str(len(found)))])
            found += [FieldInfo(*(each[key] for key in FieldInfo._fields)) for each in reply["fields"]]
            if len(found) >= reply["total"] or not reply["fields"]:
                return found

    def status(self) -> State:
        """As `state`, and the newest sample of each data server.

        It is looked for in one field of each timeline, in twenty at most.
        """
        state = self.state()
        wanted: dict[str, str] = {}
        for node in state.nodes:
            if node.online and not node.joins:
                listed = self._ask("fields", [("node", node.name), ("limit", str(_MOST_LISTED))])["fields"]
                timelines = {each["timeline"]: each["name"] for each in listed}
                wanted |= dict.fromkeys(list(timelines.values())[:_MOST_LOOKED_AT], node.name)
        newest: dict[str, float] = {}
        for sample in self.newest(list(wanted), apart=wanted).samples:
            newest[wanted[sample.name]] = max(sample.t, newest.get(wanted[sample.name], 0.0))
        # A data server may have failed just now.
        state = self.state()
        return state._replace(nodes=[each._replace(newest=newest.get(each.name)) for each in state.nodes])

    # -- samples ------------------------------------------------------------------------------------------------

    def get(
        self,
        fields: str | Iterable[str],
        start: Time = "-1h",
        end: Time = "now",
        stride: str | float | None = None,
        points: int | None = None,
        operator: str | None = None,
    ) -> Data:
        """Ask for samples in [start, end).

        Parameters
        ----------
        fields
            Names, as ``node::field``, and patterns as `fields` takes them.
        start, end
            The range.
        stride
            Least spacing of the points, seconds or as `sisock.moments.duration` reads it. Not given, neither are
            `points`: every sample, in as many requests as that takes. Else the extremes of the samples are kept.
        points
            Most points of each field, instead of `stride`.
        operator
            What to make of the samples of each stride instead: one of mean, min, max, first, last, count, sum, where
            the data server offers it.

        Raises
        ------
        BridgeAbsent
            It does not answer.
        BridgeRefused
            It finds fault with the question.
        FieldMissing
            A pattern matches nothing. `Data.missing` and `Data.empty` say of what else there is nothing, and why.
        SisockError
            A time or a duration is none.
        """
        now = time.time()
        begin, finish = _seconds(start, now), _seconds(end, now)
        if finish <= begin:
            raise SisockError(f"the time range is empty: its end ({end}) is not later than its begin ({start})")
        how = [] if operator is None else [("operator", operator)]
        if points is not None:
            how.append(("points", str(points)))
        if stride is not None:
            how.append(("stride", repr(duration(stride) if isinstance(stride, str) else float(stride))))
        raw = stride is None and points is None
        names = self.expand([fields] if isinstance(fields, str) else fields)
        parts: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        for some in _batches(names):
            for each in self._pages(some, begin, finish, how, raw):
                parts[each["field"]].append(arrays(each))
        series: dict[str, Series] = {}
        missing: dict[str, str] = {}
        empty: dict[str, str] = {}
        for name, pages in parts.items():
            problem = next((page["problem"] for page in pages if code_of(page) not in {"", EMPTY}), None)
            if problem is None and not any(len(page["t"]) for page in pages):
                problem = pages[0]["problem"]
            if problem is None:
                series[name] = series_of(name, pages)
            elif problem["code"] == EMPTY:
                empty[name] = problem["message"]
            else:
                missing[name] = problem["message"]
        return Data(series, missing, empty)

    def newest(self, names: Sequence[str], apart: Mapping[str, str] | None = None) -> Newest:
        """Newest samples of fields.

        Parameters
        ----------
        names
            Their names, as ``node::field``.
        apart
            Field -> group. Once a field has a sample, no more are looked for in its group.

        Returns
        -------
        The samples, and what is to be said of the other fields.
        """
        found: dict[str, Sample] = {}
        empty: dict[str, str] = {}
        missing: dict[str, str] = {}
        now = time.time()
        left = list(dict.fromkeys(names))
        for start in _LOOKED_BACK:
            empty = {}
            for some in _batches(left):
                reply = self._ask("data", [("from", start), ("points", "1"), *(("field", name) for name in some)])
                now = reply["end"]
                for each in reply["series"]:
                    name = each["field"]
                    if each["t"]:
                        found[name] = Sample(name, each["t"][-1], each["values"][-1], each["units"])
                    else:
                        (empty if code_of(each) == EMPTY else missing)[name] = each["problem"]["message"]
            settled = {apart[name] for name in found} if apart else set()
            left = [name for name in empty if not apart or apart[name] not in settled]
        return Newest(list(found.values()), empty, missing, now)

    def watch(self, fields: str | Iterable[str], every: float = 1.0) -> Iterator[Sample]:
        """Give the newest sample of each field, and each new one as it comes, without end.

        Parameters
        ----------
        fields
            As `get` takes them.
        every
            Seconds between two looks.
        """
        watch = Watch(self, fields)
        while True:
            yield from watch.look()
            time.sleep(every)

    def expand(self, fields: Iterable[str]) -> list[str]:
        """Names of fields, with those that patterns match in their place.

        Raises
        ------
        FieldMissing
            A pattern matches nothing.
        """
        names: list[str] = []
        for spoken in fields:
            text = spoken.encode("utf-8", "replace").decode()  # As it can be sent.
            if _WILD.isdisjoint(spoken):
                names.append(text)
                continue
            matched = [each.name for each in self.fields(text)]
            if not matched:
                raise FieldMissing(f"no field matches {text[:200]!r}; 'sisock fields' lists them")
            names += matched
        return list(dict.fromkeys(names))

    def _pages(
        self, names: Sequence[str], start: float, end: float, how: list[tuple[str, str]], raw: bool
    ) -> Iterator[dict[str, Any]]:
        """Series of a range; where every sample is asked and they are too many, of its halves."""
        asked = [("from", repr(start)), ("to", repr(end)), *how, *(("field", name) for name in names)]
        middle = (start + end) / 2
        shortest = end - start < _SHORTEST
        try:
            series = self._ask("data", asked)["series"]
        except BridgeRefused as error:
            if error.code != TOO_MUCH or not (len(names) > 1 or (raw and not shortest)):
                raise
            if len(names) > 1:
                half = len(names) // 2
                yield from self._pages(names[:half], start, end, how, raw)
                yield from self._pages(names[half:], start, end, how, raw)
                return
            series = [{"field": name, "problem": {"code": TOO_MUCH}} for name in names]
        again = [each["field"] for each in series if code_of(each) == TOO_MUCH and raw and not shortest]
        yield from (each for each in series if each["field"] not in again)
        if again:
            yield from self._pages(again, start, middle, how, raw)
            yield from self._pages(again, middle, end, how, raw)

    # -- HTTP ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End the connection; the next question makes a new one."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, what: str, parameters: Sequence[tuple[str, str]]) -> Any:
        path = f"{self._path}/api/v1/{what}?{urlencode(parameters, errors='replace')}"
        kept = self._connection.sock is not None
        try:
            try:
                status, body = self._exchange(path)
            except (ConnectionError, http.client.BadStatusLine):
                if not kept:
                    raise
                # One that was kept may have been ended meanwhile.
                self.close()
                status, body = self._exchange(path)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError | http.client.HTTPException):
                raise BridgeAbsent(self.url, _reason(error)) from error
            raise
        try:
            reply = json.loads(body)
        except ValueError:
            reply = None
        if isinstance(reply, dict) and status == http.client.OK:
            return reply
        said = reply.get("error") if isinstance(reply, dict) else None
        if isinstance(said, dict) and "message" in said and status != http.client.NOT_FOUND:
            raise BridgeRefused(str(said["message"]), str(said.get("code")), status)
        raise BridgeRefused(
            f"{self.url} answers {what!r} with {status} and no reply of this version's bridge; "
            "SISOCK_URL or --url says where the bridge is",
            status=status,
        )

    def _exchange(self, path: str) -> tuple[int, bytes]:
        self._connection.request("GET", path, headers={"Accept": "application/json"})
        response = self._connection.getresponse()
        return response.status, response.read()


class Watch:
    """Looks for new samples of fields; each look continues the one before it."""

    def __init__(self, bridge: Bridge, fields: str | Iterable[str]) -> None:
        self._bridge = bridge
        self.names = bridge.expand([fields] if isinstance(fields, str) else fields)
        """Names of the fields."""
        self._last: dict[str, float] = {}
        self._now: float | None = None
        self.missing: dict[str, str] = {}
        """Fields of which the last look could learn nothing, and why."""
        self.empty: dict[str, str] = {}
        """Fields that had no sample at all at the first look, and the sentence that says so."""

    def look(self) -> list[Sample]:
        """Samples since the last look, oldest first; at first, the newest of each field."""
        if self._now is None:
            samples, self.empty, self.missing, self._now = self._bridge.newest(self.names)
        else:
            samples = []
            self.missing = {}
            # Fields that have long been silent are asked apart, lest live ones come with all that was since.
            live = [name for name in self.names if self._last.get(name, 0.0) >= self._now - _LIVE_SECONDS]
            silent = [name for name in self.names if name not in live]
            earliest = self._now - _KEPT_SECONDS
            for names in (live, silent):
                since = max(min((self._last.get(name, earliest) for name in names), default=0.0), earliest)
                for some in _batches(names):
                    samples += self._since(some, since)
        for each in samples:
            self._last[each.name] = max(each.t, self._last.get(each.name, 0.0))
        return sorted(samples, key=lambda each: each.t)

    def _since(self, names: Sequence[str], start: float) -> list[Sample]:
        reply = self._bridge._ask("data", [("from", repr(start)), *(("field", name) for name in names)])
        self._now = reply["end"]
        samples = []
        for each in reply["series"]:
            name, last = each["field"], self._last.get(each["field"], 0.0)
            if code_of(each) not in {"", EMPTY}:
                self.missing[name] = each["problem"]["message"]
            pairs = zip(each["t"], each["values"], strict=True)
            samples += [Sample(name, t, value, each["units"]) for t, value in pairs if t > last]
        return samples


def connect(url: str | None = None, timeout: float = TIMEOUT) -> Bridge:
    """Make what asks the bridge; nothing is sent before the first question.

    Parameters
    ----------
    url
        Its address; SISOCK_URL of the environment, or else `URL`, when not given.
    timeout
        Seconds to wait for an answer.

    Raises
    ------
    SettingError
        The address is none.
    """
    return Bridge(url or os.environ.get("SISOCK_URL") or URL, timeout)


def _seconds(spoken: Time, now: float) -> float:
    if isinstance(spoken, str):
        return moment(spoken, now)
    if isinstance(spoken, datetime):
        return (spoken if spoken.tzinfo else spoken.replace(tzinfo=UTC)).timestamp()
    return float(spoken)


def _batches(names: Sequence[str]) -> Iterator[list[str]]:
    """So many names as one address may hold."""
    batch: list[str] = []
    length = 0
    for name in names:
        size = len(urlencode([("field", name)], errors="replace")) + 1
        if batch and (len(batch) == _MOST_NAMES or length + size > _MOST_CHARACTERS):
            yield batch
            batch, length = [], 0
        batch.append(name)
        length += size
    if batch:
        yield batch


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "it takes too long"
    said = getattr(error, "strerror", None) or str(error)
    return said or type(error).__name__
