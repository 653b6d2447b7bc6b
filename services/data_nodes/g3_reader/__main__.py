"""Run the data server: `python -m services.data_nodes.g3_reader`."""

from services.data_nodes.g3_reader.server import G3ReaderServer
from sisock.session import run

if __name__ == "__main__":
    run(G3ReaderServer)
