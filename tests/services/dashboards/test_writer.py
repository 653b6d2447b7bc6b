"""The dashboards follow what the bridge has to say, and stay when it has nothing to say."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from services.dashboards.__main__ import main
from services.dashboards.site import SiteUnreadable, read_site
from services.dashboards.writer import HubSilent, write
from sisock.answers import BridgeAbsent, FieldInfo, NodeState
from tests.services.dashboards.conftest import FIELDS, NODES, SITE, field, node


class Bridge:
    """What the bridge says; its address is `url`."""

    def __init__(self) -> None:
        self.fields: list[FieldInfo] = list(FIELDS)
        self.nodes: list[NodeState] = list(NODES)
        self.hub = True
        self.url = ""

    def answer(self, what: str) -> dict[str, Any]:
        if what == "/api/v1/fields":
            return {"total": len(self.fields), "fields": [each._asdict() for each in self.fields]}
        nodes = [{key: value for key, value in each._asdict().items() if key != "newest"} for each in self.nodes]
        return {"router": True, "hub": self.hub, "nodes": nodes}


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    bridge = Bridge()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = json.dumps(bridge.answer(self.path.partition("?")[0])).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        bridge.url = f"http://127.0.0.1:{server.server_port}"
        yield bridge
        server.shutdown()


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    servers = [{"name": name, **each.__dict__} for name, each in SITE.servers.items()]
    agents = [{"instance_id": name, "class": kind} for name, kind in SITE.agents.items()]
    path = tmp_path / "site.json"
    path.write_text(json.dumps({"name": SITE.name, "servers": servers, "agents": agents}))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dashboards").mkdir()
    return tmp_path / "dashboards"


def test_a_new_field_appears_and_nothing_else_is_written(bridge: Bridge, site_file: Path, folder: Path) -> None:
    assert len(write(bridge.url, site_file, folder, 5).written) == 7
    assert not write(bridge.url, site_file, folder, 5)
    bridge.fields.append(field("lab_log::cold_plate", "K"))
    assert set(write(bridge.url, site_file, folder, 5).written) == {"sisock-server-lab_log.json"}
    assert "lab_log.cold_plate" in (folder / "sisock-server-lab_log.json").read_text()
    bridge.nodes.append(node("tried"))
    bridge.fields.append(field("tried::x"))
    assert set(write(bridge.url, site_file, folder, 5).written) == {"sisock-server-tried.json", "sisock-overview.json"}


def test_an_instrument_that_is_gone_loses_its_dashboard_when_all_have_said_what_they_have(
    bridge: Bridge, site_file: Path, folder: Path
) -> None:
    write(bridge.url, site_file, folder, 5)
    bridge.fields = [each for each in bridge.fields if "LSA240" not in each.name]
    bridge.nodes[0] = node("data_feed", fields=0, online=False)
    assert write(bridge.url, site_file, folder, 5).removed == ()
    bridge.nodes[0] = node("data_feed")
    assert write(bridge.url, site_file, folder, 5).removed == ("sisock-agent-LSA240.json",)


def test_a_silent_hub_changes_nothing(bridge: Bridge, site_file: Path, folder: Path) -> None:
    write(bridge.url, site_file, folder, 5)
    bridge.hub, bridge.fields = False, []
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(HubSilent, match="stay as they are"):
        write(bridge.url, site_file, folder, 5)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_grafana_has_a_first_page_before_the_bridge_has_ever_answered(site_file: Path, folder: Path) -> None:
    with pytest.raises(BridgeAbsent):
        write("http://127.0.0.1:1", site_file, folder, 5)
    assert "No data server has listed a field" in (folder / "sisock-overview.json").read_text()


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"name": "x", "servers": [1], "agents": []}'])
def test_a_file_that_does_not_say_what_the_site_is_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "site.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SiteUnreadable, match=r"site\.json does not say what the site is .* a run of the playbook"):
        read_site(path)


def test_once_ends_with_the_status_and_a_sentence(
    bridge: Bridge, site_file: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--site", str(site_file), "--folder", str(folder), "--once", "--url"]
    assert main([*arguments, bridge.url]) == 0
    assert "written: sisock-overview" in capsys.readouterr().out
    assert main([*arguments, "http://127.0.0.1:1"]) == 1
    assert capsys.readouterr().err.startswith("sisock-dashboards: the bridge at http://127.0.0.1:1 does not answer")


def test_it_looks_again_sooner_when_it_could_not_and_says_so_once(
    bridge: Bridge, site_file: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pauses: list[float] = []

    class Enough(Exception):
        pass

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        bridge.hub = len(pauses) > 2
        if len(pauses) == 4:
            raise Enough

    bridge.hub = False
    with pytest.raises(Enough):
        main(["--site", str(site_file), "--folder", str(folder), "--url", bridge.url, "--every", "60"], pause)
    assert pauses == [5, 5, 5, 60]
    said = capsys.readouterr().out
    assert said.count("the hub does not answer") == 1
    assert said.count("the bridge answers again") == 1
