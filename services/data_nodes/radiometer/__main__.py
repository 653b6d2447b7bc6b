"""Run the data server: `python -m services.data_nodes.radiometer`."""

from services.data_nodes.radiometer.server import RadiometerServer
from sisock.session import run

if __name__ == "__main__":
    run(RadiometerServer)
