"""Sisock: serve Simons data over secure sockets.

Subclass `DataNodeServer`, set its `name` and `description`, and answer `get_fields` and `get_data`, either in the
reactor's thread (override them; a Deferred may be returned) or in a thread of their own (override
`get_fields_blocking` and `get_data_blocking`). `sisock.session.run` keeps it joined.

Constants
---------
WAMP_USER : user name by which servers join the WAMP router.
WAMP_SECRET : its secret.
WAMP_URI : address of the WAMP router.
REALM : realm on the WAMP router to join.
BASE_URI : the lowest level URI of all topics and procedures.

All but the last come from the environment, and are read when they are asked for.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from autobahn.wamp.exception import ApplicationError, TransportLost
from autobahn.wamp.types import Challenge, ComponentConfig, PublishOptions, SessionDetails
from twisted.internet.defer import CancelledError, inlineCallbacks, maybeDeferred
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from sisock.accounting import Accounts
from sisock.config import Router
from sisock.errors import OperatorUnknown, SettingError, SisockError
from sisock.packing import pack
from sisock.session import RouterSession, problem_of
from sisock.shapes import DataReply, FieldsReply, check_data, check_fields
from sisock.threads import DaemonThreads
from sisock.times import sisock_to_unix_time, time_range
from sisock.uris import (
    BASE_URI,
    ERROR_OPERATOR,
    ERROR_SERVER,
    HUB_ADD,
    NODE_NAME,
    get_data_packed_uri,
    get_data_uri,
    get_fields_uri,
    health_uri,
    holds_uri,
    uri,
)

__all__ = [
    "BASE_URI",
    "REALM",
    "WAMP_SECRET",
    "WAMP_URI",
    "WAMP_USER",
    "DataNodeServer",
    "sisock_to_unix_time",
    "uri",
]

ANNOUNCE_SECONDS = 10.0
"""How often a server that is listed tells the hub that it is there."""
RETRY_SECONDS = 1.0
"""How often a server that is not listed tries to be."""
HEALTH_SECONDS = 10.0
"""How often a server that is listed reports its figures to the server `health`."""
REPORTS_PER_LINE = 60
"""Every so many reports one goes to the log as well."""

BLOCKING_THREADS = 10
"""How many blocking questions a server answers at a time."""

WAMP_USER: str
WAMP_SECRET: str
WAMP_URI: str
REALM: str


def __getattr__(name: str) -> str:
    # The environment is read when a constant is asked for, not at import.
    if name == "WAMP_SECRET":
        return Router.from_environ().secret()
    attribute = {"WAMP_USER": "user", "WAMP_URI": "url", "REALM": "realm"}.get(name)
    if attribute is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return str(getattr(Router.from_environ(), attribute))


class DataNodeServer(RouterSession):
    """Parent class of all data servers.

    Attributes
    ----------
    name
        Unique on the realm: letters, digits, `_` and `-`. Two servers of one name: the second waits for the first
        to leave.
    description
        For people who look for data.
    operators
        What `get_data` can do with the samples instead of thinning them, of `sisock.shapes.OPERATORS`. A server that
        names some takes one more keyword argument in `get_data` or `get_data_blocking`, ``operator: str | None =
        None``; others are never given one.
    """

    name: str | None = None
    description: str | None = None
    operators: frozenset[str] = frozenset()

    def __init__(self, config: ComponentConfig | None = None) -> None:
        super().__init__(config)
        self._timeline_of: dict[str, str] = {}
        self._unregistered: list[tuple[str, Any]] = []
        self._standing: str | None = None
        self._accounts = Accounts()
        self._reports = 0
        self._threads = DaemonThreads(BLOCKING_THREADS, "blocking")

    def after_onJoin(self, details: SessionDetails) -> Any:
        """Run what else the server needs after each join, for instance subscribe to topics; may return a Deferred."""

    def figures(self) -> Mapping[str, float]:
        """Report what the server counts of its own work, besides what the library counts of every server.

        Runs in the reactor's thread every `HEALTH_SECONDS` s. Names are letters, digits, `_`, and `.` before a kind, as
        in `dropped.future`; each is the field `<server>.<name>` of the data server `health`.
        """
        return {}

    def get_fields(self, start: float, end: float) -> Any:
        """List the fields and timelines available between two times; runs in the reactor's thread.

        Any field with a sample in [start, end) must be listed; one without may be.

        Parameters
        ----------
        start, end
            sisock times, seconds: above zero a UNIX time, else so many seconds before now.

        Returns
        -------
        `sisock.shapes.FieldsReply`, or a Deferred of it.
        """
        return self._in_a_thread(self.get_fields_blocking, start, end)

    def get_fields_blocking(self, start: float, end: float) -> FieldsReply:
        """Do as `get_fields`, in a thread of its own."""
        raise NotImplementedError(f"{type(self).__name__} must answer get_fields or get_fields_blocking")

    def get_data(self, field: list[str], start: float, end: float, min_stride: float | None = None) -> Any:
        """Serve data; runs in the reactor's thread.

        Parameters
        ----------
        field
            Names of the fields to serve. One that does not exist, or has no data, is answered by an empty list.
        start, end
            sisock times of the half-open range [start, end), seconds.
        min_stride
            Least seconds between successive samples of a timeline; None for all samples.

        Returns
        -------
        `sisock.shapes.DataReply`, `False` when that is more than the server sends at once, or a Deferred of either.
        Arrays and lists are both fine; arrays are faster.

        Notes
        -----
        With an operator, a field has one value per cell instead: time is cut into cells of `min_stride` or somewhat
        more, on multiples of the cell, and each cell with a value of the field has one point at the cell's start (at
        `start`, where the range cuts it). Without `min_stride` the whole range is one cell.
        """
        return self._in_a_thread(self.get_data_blocking, field, start, end, min_stride)

    def get_data_blocking(
        self, field: list[str], start: float, end: float, min_stride: float | None = None
    ) -> DataReply | bool:
        """Do as `get_data`, in a thread of its own."""
        raise NotImplementedError(f"{type(self).__name__} must answer get_data or get_data_blocking")

    def holds(self, revisions: list[str]) -> Any:
        """Say which revisions still hold, of those that came with replies; runs in the reactor's thread.

        For a server that gives some, see `sisock.shapes.DataTimeline`; who keeps its samples asks about twice a second.

        Parameters
        ----------
        revisions
            As they came with this server's replies, now or before a restart; others may be among them.

        Returns
        -------
        As many truth values, or a Deferred of them.
        """
        raise NotImplementedError(f"{type(self).__name__} gives no revisions")

    def _in_a_thread(self, answer: Callable[..., Any], *args: object) -> Any:
        from twisted.internet import reactor

        return self._threads.call(reactor, answer, *args)

    def onConnect(self) -> None:
        """Fired when the transport to the router is up: join the realm."""
        super().onConnect()

    def onChallenge(self, challenge: Challenge) -> str:
        """Fired when the router asks who we are: sign its challenge with the secret."""
        return super().onChallenge(challenge)

    @inlineCallbacks
    def begin(self, details: SessionDetails) -> Any:
        """Register the procedures, run `after_onJoin`, and announce the server to the hub from now on.

        Raises
        ------
        SettingError
            The name is missing or cannot be part of a URI.
        """
        if not isinstance(self.name, str) or not NODE_NAME.fullmatch(self.name):
            raise SettingError("NAME", f"{self.name!r} is no name of a data server", "use letters, digits, _ and -")
        self._unregistered = [
            (get_fields_uri(self.name), self._answer_get_fields),
            (get_data_uri(self.name), self._answer_get_data),
            (get_data_packed_uri(self.name), self._answer_get_data_packed),
        ]
        if type(self).holds is not DataNodeServer.holds:
            self._unregistered.append((holds_uri(self.name), self._answer_holds))
        self._standing = None
        yield self._register()
        # A server that, say, could not subscribe must not be listed.
        yield maybeDeferred(self.after_onJoin, details)
        heartbeat: LoopingCall = LoopingCall(lambda: self._announce(details.session, heartbeat))
        heartbeat.start(ANNOUNCE_SECONDS)
        reporting: LoopingCall = LoopingCall(lambda: self._report(details.session, reporting))
        reporting.start(HEALTH_SECONDS, now=False)

    @inlineCallbacks
    def _register(self) -> Any:
        """Register what is not registered yet; answer with the problem, if there is one."""
        while self._unregistered:
            procedure, answer = self._unregistered[0]
            try:
                yield self.register(answer, procedure)
            except ApplicationError as error:
                return problem_of(error)
            self._unregistered.pop(0)
        return ""

    @inlineCallbacks
    def _announce(self, session: int, heartbeat: LoopingCall) -> Any:
        """Be registered and known to the hub; said again and again, so that no restart of anybody matters."""
        if self._session_id != session:
            heartbeat.stop()
            return
        try:
            standing = yield self._register()
            if not standing and not (yield self.call(HUB_ADD, self.name, self.description, session)):
                standing = "the hub knows another live server of this name"
        except TransportLost:
            return
        except Exception as error:  # Whatever it is, the next beat must come.
            standing = problem_of(error)
        if standing and standing != self._standing:
            self.log.warn(
                "server {name} is not listed: {problem}; trying again every {every:g} s",
                name=self.name,
                problem=standing,
                every=RETRY_SECONDS,
            )
        elif standing != self._standing:
            self.log.info("server {name} is listed by the hub", name=self.name)
        self._standing = standing
        heartbeat.interval = RETRY_SECONDS if standing else ANNOUNCE_SECONDS

    def _report(self, session: int, reporting: LoopingCall) -> None:
        """Publish the figures; not of one who is not listed, as another may bear the name."""
        if self._session_id != session:
            reporting.stop()
            return
        if self._standing != "":
            return
        figures = self._accounts.figures()
        try:
            figures |= self.figures()
            self.publish(health_uri(str(self.name)), figures, options=PublishOptions(exclude_me=False))
        except TransportLost:
            return
        except Exception:  # The author's; the next report may do better.
            self.log.failure("{name}: there are no figures this time", failure=Failure(), name=self.name)
        self._reports += 1
        if self._reports % REPORTS_PER_LINE == 0:
            counts = ", ".join(f"{name} {figure:.6g}" for name, figure in figures.items())
            self.log.info("{name}: {counts}", name=self.name, counts=counts)

    @inlineCallbacks
    def _answer_get_fields(self, start: float, end: float) -> Any:
        with self._accounts.of_question(), _told_to_the_caller(self.log, f"{self.name}.get_fields"):
            time_range(start, end)
            reply = yield maybeDeferred(self.get_fields, start, end)
            fields, timelines = check_fields(reply)
            self._timeline_of = {name: field["timeline"] for name, field in fields.items()}
            return fields, timelines

    @inlineCallbacks
    def _answer_get_data(
        self,
        field: list[str],
        start: float,
        end: float,
        min_stride: float | None = None,
        operator: str | None = None,
    ) -> Any:
        with self._accounts.of_question(), _told_to_the_caller(self.log, f"{self.name}.get_data"):
            reply = yield self._ask_author(field, start, end, min_stride, operator)
            return check_data(reply, field, self._timeline_of)

    @inlineCallbacks
    def _answer_get_data_packed(
        self,
        field: list[str],
        start: float,
        end: float,
        min_stride: float | None = None,
        operator: str | None = None,
    ) -> Any:
        with self._accounts.of_question(), _told_to_the_caller(self.log, f"{self.name}.get_data"):
            reply = yield self._ask_author(field, start, end, min_stride, operator)
            return pack(check_data(reply, field, self._timeline_of, arrays=True))

    @inlineCallbacks
    def _answer_holds(self, revisions: list[str]) -> Any:
        if not isinstance(revisions, list) or not all(isinstance(each, str) for each in revisions):
            raise ApplicationError(ERROR_SERVER, f"a list of revisions is due, not {revisions!r:.80}")
        try:
            held = yield maybeDeferred(self.holds, revisions)
        except SisockError as error:
            # Not said in the log, twice a second: who asks for data is told, and that is.
            raise ApplicationError(ERROR_SERVER, str(error)) from error
        return list(map(bool, held))

    def _ask_author(self, field: list[str], start: float, end: float, min_stride: float | None, operator: Any) -> Any:
        time_range(start, end)
        if not isinstance(field, list) or not all(isinstance(name, str) for name in field):
            raise SisockError(f"a list of field names is due, not {field!r:.80}")
        if min_stride is not None and (isinstance(min_stride, bool) or not isinstance(min_stride, int | float)):
            raise SisockError(f"min_stride is seconds or None, not {min_stride!r:.80}")
        if operator is None:
            return maybeDeferred(self.get_data, field, start, end, min_stride)
        if not isinstance(operator, str) or operator not in self.operators:
            raise OperatorUnknown(self.name, operator, self.operators)
        author: Any = self
        if type(self).get_data is DataNodeServer.get_data:
            return self._in_a_thread(author.get_data_blocking, field, start, end, min_stride, operator)
        return maybeDeferred(author.get_data, field, start, end, min_stride, operator)


@contextmanager
def _told_to_the_caller(log: Any, procedure: str) -> Iterator[None]:
    # Whatever goes wrong in an author's code must reach the caller as a sentence, and must not end the server.
    try:
        yield
    except CancelledError:
        raise  # The caller no longer waits.
    except OperatorUnknown as error:
        raise ApplicationError(ERROR_OPERATOR, str(error), error.offered) from error
    except SisockError as error:
        log.warn("{procedure} refused: {error}", procedure=procedure, error=error)
        raise ApplicationError(ERROR_SERVER, str(error)) from error
    except Exception as error:
        log.failure("{procedure} failed: {log_failure.value}", procedure=procedure, failure=Failure())
        raise ApplicationError(ERROR_SERVER, problem_of(error)) from error
