"""One look at the bridge, and the dashboards that follow from it."""

from collections.abc import Sequence
from pathlib import Path

from services.dashboards.boards import boards
from services.dashboards.folder import Changes, Folder
from services.dashboards.instruments import Sorted, sort_out
from services.dashboards.site import Site, read_site
from sisock.answers import NodeState
from sisock.bridge import connect
from sisock.errors import SisockError


class HubSilent(SisockError):
    """Nobody knows which data servers there are, so that there may be more than can be seen."""

    def __init__(self) -> None:
        super().__init__("the router or the hub does not answer, so that the dashboards stay as they are")


def write(url: str, site_file: Path, path: Path, timeout: float) -> Changes:
    """Bring the dashboards in line with what there is to see.

    Parameters
    ----------
    url
        Address of the bridge.
    site_file
        What the inventory says.
    path
        Where the dashboards are kept. When there are none and the bridge has nothing to say, those that need nothing
        of it are written, so that Grafana has a page to begin with.
    timeout
        Seconds to wait for an answer of the bridge.

    Raises
    ------
    SisockError
        The bridge, or the hub behind it, does not answer, or the site cannot be read.
    OSError
        The folder cannot be written to.
    """
    site, folder = read_site(site_file), Folder(path)
    try:
        sights, whole = _look(url, site, timeout)
    except SisockError:
        if not any(path.glob("*.json")):
            folder.keep(boards(Sorted(), site), others=True)
        raise
    return folder.keep(boards(sights, site), others=not whole)


def _look(url: str, site: Site, timeout: float) -> tuple[Sorted, bool]:
    """What there is to see, and whether that is all: every data server of the inventory has said what it has."""
    with connect(url, timeout) as bridge:
        fields = bridge.fields()
        state = bridge.state()
        if not (state.router and state.hub):
            raise HubSilent
    return sort_out(fields, state.nodes, site), _is_whole(state.nodes, site)


def _is_whole(nodes: Sequence[NodeState], site: Site) -> bool:
    said = {node.name for node in nodes if node.fields or (node.online and node.answered and not node.problem)}
    return said >= site.servers.keys()
