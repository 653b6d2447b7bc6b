"""``python -m services.bridge``; see `service.yml` and `sisock/router.yml` for its settings."""

import os
from typing import Any

from sisock.client import Consumer
from sisock.config import declared_options, load_settings
from sisock.errors import SettingError
from sisock.session import run


def consumer() -> Consumer:
    """Make the session, with the HTTP server beside it; that one answers while the router is away, too."""
    from twisted.internet import reactor
    from twisted.internet.error import CannotListenError

    from services.bridge.server import bridge

    loop: Any = reactor
    settings = load_settings(declared_options("services.bridge", "service.yml"))
    session = Consumer()
    port, interface = settings["PORT"], settings["LISTEN"]
    try:
        loop.listenTCP(port, bridge(session, loop, settings), interface=interface)
    except CannotListenError as error:
        problem = f"cannot listen on {interface}:{port} ({error.socketError})"
        raise SettingError("PORT", problem, "end the program that does, or choose another port") from None
    session.log.info("bridge: listening on http://{interface}:{port}", interface=interface, port=port)
    return session


if __name__ == "__main__":
    os.environ.setdefault("WAMP_USER", "consumer")
    run(consumer)
