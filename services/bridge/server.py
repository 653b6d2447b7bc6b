"""The bridge put together: the WAMP session, its memory, the front-ends and the HTTP server."""

from collections.abc import Mapping
from typing import Any

from twisted.web.server import Site

from services.bridge.application import application
from services.bridge.cors import allow_origins
from services.bridge.crossing import Crossing
from services.bridge.handling import FrontEnd
from services.bridge.health import Health
from services.bridge.listener import site
from services.bridge.planner import Planner
from services.bridge.servers import Consumer, Servers
from services.bridge.simplejson import SimpleJson


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
    """
    crossing = Crossing(reactor)
    servers = Servers(consumer, reactor, settings["MAX_WAITING"])
    planner = Planner(
        servers,
        reactor.seconds,
        server_deadline=settings["SERVER_DEADLINE"],
        request_deadline=settings["REQUEST_DEADLINE"],
        search_deadline=settings["SEARCH_DEADLINE"],
    )
    front_ends: list[FrontEnd] = [
        SimpleJson(crossing, planner, settings["MAX_TARGETS"], settings["MAX_REPLY_POINTS"]),
        Health(crossing, servers),
    ]
    app = allow_origins(application(front_ends), settings["CORS_ORIGINS"])
    return site(reactor, app, settings["THREADS"], settings["MAX_BODY"])
