from collections.abc import Iterator

import pytest
from miniature_site import Site, eventually


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with router and hub; each module starts what else it needs, and may break it."""
    made = Site(tmp_path_factory.mktemp("site"))
    try:
        made.start_router()
        made.start("hub", user="hub")
        eventually("the hub is ready", lambda: "hub: ready" in made.programs["hub"].log())
        yield made
    finally:
        made.stop()
