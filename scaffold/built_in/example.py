"""The server with data, for the tests that every server passes."""

from pathlib import Path

from services.data_nodes.skeleton.server import SkeletonServer


def example_server(directory: Path) -> SkeletonServer:
    """Make one with samples a day apart; a server that reads files has them written to `directory` first."""
    return SkeletonServer({"INTERVAL": "86400"})
