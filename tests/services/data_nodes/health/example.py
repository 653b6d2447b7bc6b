"""The health server with reports, for the tests that every server passes."""

import time
from pathlib import Path

from services.data_nodes.health.server import HealthServer


def example_server(directory: Path) -> HealthServer:
    """Two servers, of which one began to drop after a while."""
    server, now = HealthServer({}), time.time()
    for i in range(60):
        dropped = {"dropped.old": 1.0} if i > 30 else {}
        server.health._take("data_feed", {"received": 10.0 * i} | dropped, now + i - 90)
        server.health._take("weather", {"memory": 1e8 + i % 7}, now + i - 89.5)
    return server
