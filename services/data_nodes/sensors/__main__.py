"""Run the data server: `python -m services.data_nodes.sensors`."""

from services.data_nodes.sensors.server import SensorsServer
from sisock.session import run

if __name__ == "__main__":
    run(SensorsServer)
