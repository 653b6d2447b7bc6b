"""The bridge put together: the WAMP session, its memory, the front-ends and the HTTP server."""

import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.web.server import Site

from services.bridge.application import application
from services.bridge.catalogue import Catalogue
from services.bridge.compression import compressed
from services.bridge.cors import allow_origins
from services.bridge.crossing import Crossing
from services.bridge.events import Events
from services.bridge.flat import Flat
from services.bridge.graphite.front import Graphite
from services.bridge.handling import FrontEnd
from services.bridge.health import Health
from services.bridge.listener import site
from services.bridge.memory import Memory
from services.bridge.openapi.front import OpenApi
from services.bridge.panels import Panels
from services.bridge.planner import Planner
from services.bridge.query import Query
from services.bridge.quicklook.serving import Page, with_page
from services.bridge.replies import remembered
from services.bridge.samples import Samples
from services.bridge.servers import Consumer, Servers
from services.bridge.simplejson import SimpleJson
from services.bridge.simpod import SimPod
from sisock.errors import SettingError
from sisock.uris import NODE_NAME

_ABOVE_ZERO = (
    "PORT", "SERVER_DEADLINE", "REQUEST_DEADLINE", "SEARCH_DEADLINE",
    "MAX_BODY", "MAX_TARGETS", "MAX_REPLY_POINTS", "MAX_WAITING", "THREADS", "CATALOGUE_DAYS",
)  # fmt: skip
_LAST_PORT = 65535


def bridge(consumer: Consumer, reactor: Any, settings: Mapping[str, Any]) -> Site:
    """Make the HTTP server's factory that answers with what `consumer` can reach.

    Parameters
    ----------
    consumer
        The WAMP session; it need not be joined yet.
    reactor
        The Twisted reactor.
    settings
        Those of `service.yml`.

    Raises
    ------
    SettingError
        A bound, a deadline or the port is no number above zero, the port is none of TCP, or fields are to be joined
        under a name that no data server could have.
    """
    for name in _ABOVE_ZERO:
        if not 0 < settings[name] < math.inf:
            raise SettingError(name, f"{settings[name]} lets nothing be answered", "give a number above 0")
    if settings["PORT"] > _LAST_PORT:
        raise SettingError("PORT", f"{settings['PORT']} is no TCP port", f"give one of 1 to {_LAST_PORT}")
    crossing = Crossing(reactor)
    catalogue = Catalogue(*_joined(settings["JOINED_NAME"], settings["JOINED_SERVERS"]))
    memory = Memory(settings["CATALOGUE_FILE"] or None, settings["CATALOGUE_DAYS"], time.time)
    memory.recall(catalogue)
    servers = Servers(consumer, reactor, time.time, settings["MAX_WAITING"], catalogue, memory)
    planner = Planner(
        servers,
        reactor.seconds,
        server_deadline=settings["SERVER_DEADLINE"],
        request_deadline=settings["REQUEST_DEADLINE"],
        search_deadline=settings["SEARCH_DEADLINE"],
    )
    ends = settings["CERTIFICATES"], settings["CERTIFICATE_DAYS"]
    health = Health(crossing, servers, settings["SERVERS_FILE"] or None, *ends)
    events = Events(consumer, planner, time.time, reactor)
    bounds = settings["MAX_TARGETS"], settings["MAX_REPLY_POINTS"]
    front_ends: list[FrontEnd] = [
        Query(crossing, planner, Panels(crossing, planner, *bounds, time.time), events, settings["MAX_TARGETS"]),
        SimpleJson(crossing, planner, events),
        SimPod(crossing, planner),
        Graphite(crossing, planner, events, *bounds, time.time),
        Flat(crossing, planner, servers, health, events, time.time),
        Samples(crossing, planner, *bounds, time.time),
        health,
        OpenApi(),
    ]
    page = Page(settings["QUICKLOOK"] or Path(sys.prefix) / "share/quicklook")
    answering = remembered(compressed(allow_origins(application(front_ends), settings["CORS_ORIGINS"])))
    return site(reactor, with_page(answering, page), settings["THREADS"], settings["MAX_BODY"])


def _joined(name: str, sources: Sequence[str]) -> tuple[str, Sequence[str]]:
    if not name or not sources:
        return "", ()
    if not NODE_NAME.fullmatch(name):
        raise SettingError("JOINED_NAME", f"{name!r} cannot stand before '::'", "use letters, digits, _ and -")
    unfit = [each for each in sources if not NODE_NAME.fullmatch(each) or each == name]
    if unfit or len(set(sources)) < len(sources):
        problem = f"{', '.join(sources)!r} are no names of different data servers, other than {name!r}"
        raise SettingError("JOINED_SERVERS", problem, "give names, separated by commas, the archive's first")
    return name, sources
