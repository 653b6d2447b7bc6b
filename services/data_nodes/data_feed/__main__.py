"""Run the data server: `python -m services.data_nodes.data_feed`."""

from services.data_nodes.data_feed.server import DataFeedServer
from sisock.session import run

if __name__ == "__main__":
    run(DataFeedServer)
