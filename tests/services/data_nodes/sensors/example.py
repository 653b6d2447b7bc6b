"""The sensors server with data, for the tests that every server passes."""

import time
from pathlib import Path

from services.data_nodes.sensors.measuring import Reading
from services.data_nodes.sensors.server import SensorsServer


def example_server(directory: Path) -> SensorsServer:
    """Some minutes of a temperature, and of a fan that was found only later."""
    server = SensorsServer({})
    now = time.time()
    for i in range(100):
        readings = {"k10temp-pci-00c3.tctl": Reading(40.0 + i % 7, "C", "Tctl")}
        if i > 30:
            readings["nct6775-isa-0290.fan1"] = Reading(900.0 + i, "RPM", "fan1")
        server.sensors.keep(readings, now - 300 + 2.5 * i)
    return server
