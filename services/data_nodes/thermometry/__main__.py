"""Run the data server: `python -m services.data_nodes.thermometry`."""

from services.data_nodes.thermometry.server import ThermometryServer
from sisock.session import run

if __name__ == "__main__":
    run(ThermometryServer)
