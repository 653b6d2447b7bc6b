"""A site that still runs the 2019 data-feed server, which joins over the OCS port without an account."""

from pathlib import Path

import pytest
from miniature_site import Program, Site, eventually

pytestmark = pytest.mark.integration

OLD_DATA_FEED = """
import os, sys
from autobahn.twisted.wamp import ApplicationRunner, ApplicationSession
from twisted.internet.defer import inlineCallbacks

BASE = "org.simonsobservatory"

class Server(ApplicationSession):
    @inlineCallbacks
    def onJoin(self, details):
        yield self.register(lambda *_: ({}, {}), BASE + ".consumer.old_feed.get_fields")
        yield self.register(lambda *_: {"data": {}, "timeline": {}}, BASE + ".consumer.old_feed.get_data")
        yield self.subscribe(lambda *_: None, "observatory.LSA23JD.feeds.temperatures")
        yield self.call(BASE + ".data_node.add", "old_feed", "Joined without an account.", details.session)

ApplicationRunner("ws://127.0.0.1:" + os.environ["CROSSBAR_OCS_PORT"] + "/ws", "test_realm").run(Server)
"""


def start_old_data_feed(site: Site, folder: Path) -> Program:
    script = folder / "old_data_feed.py"
    script.write_text(OLD_DATA_FEED)
    return site.run("old_feed", ["python", str(script)], site.environ("server"))


def test_the_inventory_may_let_it_in(tmp_path: Path) -> None:
    site = Site(tmp_path)
    try:
        site.start_router(crossbar_allow_legacy_servers=True)
        hub = site.start("hub", user="hub")
        eventually("the hub is ready", lambda: "hub: ready" in hub.log())
        start_old_data_feed(site, tmp_path)
        listed = [{"name": "old_feed", "description": "Joined without an account."}]
        with site.client() as client:
            eventually("it is listed", lambda: client.nodes() == listed)
    finally:
        site.stop()
