"""What the server of this name does; the tests that every server passes find it by themselves."""

from importlib import import_module
from pathlib import Path

from services.data_nodes.table import TableServer

own = import_module("inventories.SITE.servers.skeleton")


def example_server(directory: Path) -> TableServer:
    """Make one with samples a day apart; a server that reads files has them written to `directory` first."""
    server: TableServer = own.SkeletonServer({"INTERVAL": "86400"})
    return server


def test_samples_lie_an_interval_apart() -> None:
    reply = own.SkeletonServer({"INTERVAL": "60"}).get_data_blocking(["wave"], own.BEGIN, own.BEGIN + 180)
    assert list(reply["timeline"]["regular"]["t"]) == [own.BEGIN, own.BEGIN + 60, own.BEGIN + 120]
