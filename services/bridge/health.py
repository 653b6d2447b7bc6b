"""Whether the bridge works: for a person, a monitor, and the self-check."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from services.bridge.certificates import endings
from services.bridge.crossing import Crossing
from services.bridge.handling import Call, Route
from services.bridge.refusal import Refused
from services.bridge.servers import Servers
from sisock.errors import NodeError

_HUB_DEADLINE = 2.0


class NotReady(Refused):
    """The bridge runs, but can answer nobody; its reply says what is missing."""

    def __init__(self, report: dict[str, Any]) -> None:
        missing = "the hub does not answer" if report["router"] else "the router is not joined"
        super().__init__(503, "unavailable", f"{missing}; look at 'supervisorctl status'", retry_after=5)
        self._report = report

    @property
    def body(self) -> dict[str, Any]:
        """The error and the report."""
        return super().body | self._report


class Health:
    """Front-end for ``/health/live`` and ``/health/ready``."""

    def __init__(
        self,
        crossing: Crossing,
        servers: Servers,
        named: Path | None = None,
        certificates: Sequence[str] = (),
        certificate_days: float = 0.0,
    ) -> None:
        """Take what to report of.

        Parameters
        ----------
        crossing, servers
            Those of the bridge.
        named
            File with the names of the data servers that should be online, one a line. Others are then reported only
            while they are: who was tried by hand, or taken off the site, is missed by nobody. None for all ever seen.
        certificates, certificate_days
            As `services.bridge.certificates.endings` has them.
        """
        self._crossing = crossing
        self._servers = servers
        self._named = named
        self._endings = partial(endings, certificates, certificate_days)

    def routes(self) -> list[Route]:
        """All calls it answers."""
        return [Route("GET", "/health/live", self.live), Route("GET", "/health/ready", self.ready)]

    def live(self, _call: Call) -> object:
        """Say that the program answers HTTP."""
        return {"status": "live"}

    def ready(self, call: Call) -> object:
        """Say whether router and hub answer, how each data server behaves, and how long the certificates last.

        For each: `online` (listed by the hub; None while that does not answer), `fields` (how many it has listed; 0
        before anyone asked), `waiting` (requests that wait for it), `answered` (UNIX seconds of its last answer) and
        `problem` (its last failure). For each certificate: as `services.bridge.certificates.endings` has it.

        Raises
        ------
        NotReady
            Router or hub do not answer.
        """
        report: dict[str, Any] = self._crossing.ask(call.client, lambda: Deferred.fromCoroutine(self.report()))
        if not report["hub"]:
            raise NotReady(report)
        return {"status": "ready", **report}

    async def report(self) -> dict[str, Any]:
        """As `ready`, whether all is well or not; in the reactor's thread."""
        try:
            nodes = await self._servers.consumer.nodes(deadline=_HUB_DEADLINE)
        except NodeError:
            nodes = None
        online = None if nodes is None else {str(node["name"]): node.get("description") for node in nodes}
        return {
            "router": self._servers.consumer.is_attached(),
            "hub": nodes is not None,
            "certificates": self._endings(),
            "servers": [self._server(name, online) for name in sorted({*(online or ()), *self._due()})],
        }

    def _due(self) -> set[str]:
        """Names of the data servers that should be online."""
        if self._named is not None:
            with suppress(OSError):  # Better all that were ever seen than none.
                return set(self._named.read_text(encoding="utf-8").split())
        return set(self._servers.catalogue.nodes())

    def _server(self, name: str, online: dict[str, Any] | None) -> dict[str, Any]:
        conduct = self._servers.conduct(name)
        return {
            "name": name,
            "description": None if online is None else online.get(name),
            "online": None if online is None else name in online,
            "fields": len(self._servers.catalogue.fields(name)),
            "waiting": conduct.waiting,
            "answered": conduct.answered,
            "problem": conduct.problem,
        }
