"""Run the data server: `python -m services.data_nodes.health`."""

from services.data_nodes.health.server import HealthServer
from sisock.session import run

if __name__ == "__main__":
    run(HealthServer)
