"""The thermometry server with data, for the tests that every server passes."""

import time
from pathlib import Path

from services.data_nodes.thermometry.server import ThermometryServer


def example_server(directory: Path) -> ThermometryServer:
    """Two channels of a Lakeshore 372, read in turn."""
    server = ThermometryServer({"NAME": "LSA23JD"})
    now = time.time()
    for channel in (1, 2):
        stamps = [now - 400 + 10 * i + 5 * channel for i in range(35)]
        name = f"Channel_{channel:02}"
        data = {f"{name}_T": [0.1 + i % 9 for i in range(35)], f"{name}_R": [1000.0 + i for i in range(35)]}
        block = {"block_name": name, "timestamps": stamps, "data": data}
        server.feeds.receive(
            "observatory.LSA23JD.feeds.temperatures", [{name: block}, {"record": True, "agent_class": "Lakeshore372"}]
        )
    return server
