"""The data feed server with data, for the tests that every server passes."""

import math
import time
from pathlib import Path

from services.data_nodes.data_feed.server import DataFeedServer

FEED = {
    "agent_address": "observatory.LSA22YE", "agg_params": {"frame_length": 60}, "feed_name": "temperatures",
    "address": "observatory.LSA22YE.feeds.temperatures", "record": True, "session_id": "1690000000.5",
    "agent_class": "Lakeshore372Agent",
}  # fmt: skip


def example_server(directory: Path) -> DataFeedServer:
    """All feeds, of which one has two blocks with numbers, a string and a boolean."""
    server = DataFeedServer({})
    now = time.time()
    fast, slow = [now - 400 + i for i in range(380)], [now - 400 + 20 * i for i in range(19)]
    blocks = {
        "fast": {"block_name": "fast", "timestamps": fast, "data": {
            "Channel 1 T": [math.sin(t / 30) for t in fast],
            "Channel 1 R": [100.0 if i == 111 else math.nan if i == 5 else 1.0 for i in range(380)],
        }},
        "slow": {"block_name": "slow", "timestamps": slow, "data": {
            "state": [f"state {i}" for i in range(19)], "heating": [i % 2 == 0 for i in range(19)],
        }},
    }  # fmt: skip
    server.feeds.receive(str(FEED["address"]), [blocks, FEED])
    return server
