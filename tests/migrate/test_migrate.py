"""What an old site's files become, and that what cannot be taken over is said."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from migrate.__main__ import ROOT, find, migrated, said
from migrate.inventory import PLACEHOLDER, Inventory, write
from migrate.ocs_config import grouped
from migrate.report import Refused, Report
from migrate.servers import SERVERS
from services.data_nodes.apex_weather.server import ApexWeatherServer
from services.data_nodes.g3_reader.server import G3ReaderServer
from services.data_nodes.radiometer.server import RadiometerServer
from services.data_nodes.sensors.server import SensorsServer
from services.data_nodes.weather.server import WeatherServer

HERE = Path(__file__).parent

Site = Callable[..., tuple[dict[str, Any], Report]]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Migrate what two texts say; the variables of the inventory, and the report."""

    def make(compose: str = "", ocs: str = "", host: str = "") -> tuple[dict[str, Any], Report]:
        texts = {"docker-compose.yaml": compose, "default.yaml": ocs}
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
        paths = [tmp_path / name if text else None for name, text in texts.items()]
        inventory, report = migrated(*paths, host)
        return variables(inventory), report

    return make


def variables(inventory: Inventory) -> dict[str, Any]:
    return {**yaml.safe_load(inventory.variables_file("yale")), "groups": sorted(inventory.groups)}


def hub(*agents: str, host: str = "box", more: str = "") -> str:
    lines = "".join(f"\n      - {agent}" for agent in agents)
    return (
        "hub: {wamp_server: 'ws://crossbar:8001/ws', wamp_realm: test_realm, address_root: observatory}\n"
        f"hosts:\n  {host}:\n    agent-instances:{lines or ' []'}\n{more}"
    )


def test_the_manuals_own_site() -> None:
    inventory, report = migrated(*find(HERE / "manual"))
    assert variables(inventory) == {
        "groups": ["bridge", "grafana", "ocs", "router", "servers"],
        "site_name": "yale",
        "ocs_agents": [
            {"class": "RegistryAgent", "instance_id": "registry"},
            {
                "class": "AggregatorAgent",
                "instance_id": "aggregator",
                "arguments": [
                    ["--initial-state", "record"],
                    ["--time-per-file", "3600"],
                    ["--data-dir", "{{ site_data_dir }}"],
                ],
            },
            {
                "class": "Lakeshore372Agent",
                "instance_id": "LSA22YE",
                "arguments": [["--serial-number", "LSA22YE"], ["--ip-address", "10.10.10.4"]],
            },
            {
                "class": "Lakeshore240Agent",
                "instance_id": "LSA22Z2",
                "arguments": [["--serial-number", "LSA22Z2"], ["--num-channels", 8]],
            },
        ],
        "sisock_servers": [
            {"name": "apex_archive", "type": "weather"},
            {"name": "LSA23JD", "type": "thermometry", "description": "LS372 in the Bluefors control cabinet."},
        ],
    }
    left = "\n".join(report.left)
    assert "the plugin natel-plotly-panel is not installed" in left
    assert "its TARGET LSA23JD is no agent of the OCS configuration" in left
    assert "simple-json" not in left


def test_every_component_of_the_manual() -> None:
    inventory, _ = migrated(*find(HERE / "components"))
    found = variables(inventory)
    assert found["groups"] == ["archive", "bridge", "database", "router", "servers"]
    assert found["site_data_dir"] == "/home/koopman/data/yale"
    assert found["site_bridge_port"] == 5001
    assert found["sisock_servers"] == [
        {"name": "apex_archive", "type": "weather"},
        {"name": "sensors", "type": "sensors"},
        {
            "name": "apex_weather",
            "type": "apex_weather",
            "settings": {"MAX_POINTS": 1000, "DATA_DIRECTORY": "/var/www/apex_weather"},
        },
        {
            "name": "bluefors",
            "type": "data_feed",
            "description": "bluefors logs",
            "settings": {"TARGET": "bluefors", "FEED": "bluefors"},
        },
        {
            "name": "ucsc_radiometer",
            "type": "radiometer",
            "settings": {"MAX_POINTS": 1000, "DATA_DIRECTORY": "/var/www/Skymonitor"},
        },
        {"name": "g3_reader", "type": "g3_reader", "settings": {"MAX_POINTS": 1000}},
    ]


def test_servers_whose_name_nobody_could_choose_keep_it() -> None:
    fixed = {kind: name for kind, name in SERVERS.values() if name}
    ours = (WeatherServer, SensorsServer, ApexWeatherServer, RadiometerServer, G3ReaderServer)
    assert sorted(fixed.values()) == sorted(server.name for server in ours)


def test_what_is_written_passes_the_linter_and_explains_itself(tmp_path: Path) -> None:
    for name in ("manual", "components"):
        inventory, report = migrated(*find(HERE / name))
        paths = write(inventory, tmp_path / name, name, PLACEHOLDER, said(report, name, PLACEHOLDER, []))
        assert all(path.read_text().startswith("# ") for path in paths)
        assert "hosts.yml: give the machine's address" in paths[-1].read_text()
    command = [str(Path(sys.executable).with_name("yamllint")), "--strict", "-c", str(ROOT / ".yamllint"), "."]
    linted = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout


def test_images_that_were_built_and_mounts_of_the_long_form_are_known(site: Site) -> None:
    found, report = site("""
        services:
          sisock_grafana_http:
            image: sisock_grafana_http
            build: ./components/grafana_server/
            environment: {PORT: 5000}
          radiometer_server:
            image: radiometer_server
            volumes: [{type: bind, source: /var/www/Skymonitor, target: /data, read_only: true}]
          ls240_monitor:
            image: ls240_monitor
            build: ./components/data_node_servers/thermometry/
            environment: {TARGET: test240, NAME: LSA21OQ, BUFFER_TIME: 7200, WAMP_SECRET: hush}
        """)
    assert [server["name"] for server in found["sisock_servers"]] == ["ucsc_radiometer", "LSA21OQ"]
    assert found["sisock_servers"][0]["settings"] == {"DATA_DIRECTORY": "/var/www/Skymonitor"}
    assert found["sisock_servers"][1]["settings"] == {"TARGET": "test240", "BUFFER_TIME": 7200}
    assert report.left == []


def test_a_file_of_the_first_version_anchors_and_variables_are_read(site: Site, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# mine\nTAG=0.2.9\nWHERE='/var/www'\n")
    found, report = site("""
        x-common: &common
          restart: always
        weather:
          <<: *common
          image: "${REGISTRY:-example.org:5000}/sisock-apex-weather-server:${TAG}"
          volumes: ["${WHERE}/apex:/data:ro"]
          environment: ["MAX_POINTS=500", "DESCRIPTION=costs 5 $$", "X=${UNKNOWN}"]
        """)
    assert found["sisock_servers"] == [
        {
            "name": "apex_weather",
            "type": "apex_weather",
            "description": "costs 5 $",
            "settings": {"MAX_POINTS": 500, "DATA_DIRECTORY": "/var/www/apex"},
        }
    ]
    assert any("the variable UNKNOWN has no value" in line for line in report.left)
    assert any("the environment variable X has no counterpart" in line for line in report.left)


def test_ports_are_kept_and_one_that_was_open_is_named(site: Site) -> None:
    found, report = site("""
        services:
          crossbar: {image: simonsobs/sisock-crossbar, ports: ["127.0.0.1:9001:8001", "9080:8080"]}
          grafana: {image: grafana/grafana, ports: [3000:3000], environment: {GF_SECURITY_ADMIN_PASSWORD: hush}}
          database: {image: mariadb, environment: {MYSQL_DATABASE: hk, MYSQL_PASSWORD: hush}}
        """)
    assert found["site_router_ocs_port"] == 9001
    assert found["site_router_tls_port"] == 9080
    assert found["site_database_name"] == "hk"
    assert "site_grafana_port" not in found
    assert sum("was open to the network" in line for line in report.left) == 2
    assert "9001" not in "".join(report.left)
    assert "hush" not in str((found, report))


AGENTS = """
    services:
      ocs-aggregator: {image: simonsobs/ocs:v0.11, hostname: box, volumes: ["/mnt/hk:/data"],
        environment: [INSTANCE_ID=aggregator, SITE_HUB=ws://crossbar:8001/ws]}
      bluefors: {image: simonsobs/socs, hostname: box, command: ["--instance-id=bf1", "--mode=acq"],
        volumes: ["/home/bf/logs:/logs:ro"]}
      ls240: {image: simonsobs/ocs-lakeshore240-agent, hostname: box, environment: {LEVEL: high},
        devices: ["/dev/LSA22Z2:/dev/ttyUSB0", /dev/ttyUSB1]}
      stranger: {image: simonsobs/socs, command: "--instance-id other"}
      web: {image: simonsobs/ocs-web, privileged: true}
    """


def test_paths_of_containers_become_paths_of_the_host(site: Site) -> None:
    found, report = site(
        AGENTS,
        hub(
            "{agent-class: AggregatorAgent, instance-id: aggregator, arguments: [--data-dir, /data/hk/]}",
            "{agent-class: BlueforsAgent, instance-id: bf1, arguments: [[--log-directory, /logs], [--mode, idle]]}",
            "{agent-class: Lakeshore240Agent, instance-id: LSA22Z2, arguments: [--port, /dev/ttyUSB0, --a, /b.yaml]}",
        ),
    )
    assert found["site_data_dir"] == "/mnt/hk/hk"
    assert [agent["arguments"] for agent in found["ocs_agents"]] == [
        [["--data-dir", "{{ site_data_dir }}"]],
        [["--log-directory", "/home/bf/logs"], ["--mode", "acq"]],
        [["--port", "/dev/ttyUSB0"], ["--a", "/b.yaml"]],
    ]
    assert found["ocs_groups"] == ["dialout"]
    left = "\n".join(report.left)
    for words in (
        "--a /b.yaml was inside its container",
        "ls240: it was given /dev/LSA22Z2",
        "ls240: the environment variable LEVEL has no counterpart",
        "stranger: an OCS agent that the site configuration does not have",
        "web: nothing here takes the place of ocs-web",
        "web: `privileged` has no counterpart",
    ):
        assert words in left


def test_a_host_manager_stays_one_without_docker(site: Site) -> None:
    found, report = site(
        "",
        hub(
            "{agent-class: HostManager, instance-id: hm, arguments: [--docker-compose, a.yaml, --initial-state, up]}",
            "{agent-class: RegistryAgent, instance-id: registry, manage: no}",
            "{agent-class: FakeDataAgent, instance-id: one, manage: docker/down}",
            "{agent-class: FakeDataAgent, instance-id: two}",
        ),
    )
    assert found["ocs_agents"][0]["arguments"] == [["--initial-state", "up"]]
    assert [agent.get("manage") for agent in found["ocs_agents"]] == [None, "ignore", "host/down", None]
    assert "its argument --docker-compose was left out" in "".join(report.left)


def test_agents_that_cannot_be_had_are_left_out_and_named(site: Site) -> None:
    found, report = site(
        "",
        hub(
            "{agent-class: InfluxDBAgent, instance-id: influx}",
            "{agent-class: Lakeshore37Agent, instance-id: ls}",
            "{agent-class: FakeDataAgent, instance-id: one, manage: down}",
            "{instance-id: nameless}",
        ),
    )
    assert [agent["instance_id"] for agent in found["ocs_agents"]] == ["one"]
    left = "\n".join(report.left)
    assert "there is no InfluxDB here" in left
    assert "if it is now Lakeshore370Agent" in left or "if it is now Lakeshore372Agent" in left
    assert "one: it was started by hand" in left
    assert "without agent-class or instance-id" in left


def test_only_the_agents_of_this_machine_are_taken(site: Site) -> None:
    more = "  far:\n    agent-instances: [{agent-class: FakeDataAgent, instance-id: there}]\n"
    ocs = hub("{agent-class: FakeDataAgent, instance-id: here}", more=more)
    for compose, host, ids in (
        ("services: {a: {image: ocs, hostname: box, command: --instance-id=here}}", "", ["here"]),
        ("", "far", ["there"]),
        ("", "", ["here", "there"]),
    ):
        found, report = site(compose, ocs, host)
        assert [agent["instance_id"] for agent in found["ocs_agents"]] == ids
        assert any("another machine" in line or "are on one machine now" in line for line in report.left)
    with pytest.raises(Refused, match="no host 'near', only box, far"):
        site("", ocs, "near")


def test_a_realm_and_a_port_of_its_own_are_kept(site: Site) -> None:
    ocs = hub().replace("test_realm", "lab").replace("root: observatory", "root: detlab").replace("8001", "9001")
    found, _ = site("", ocs)
    assert (found["site_realm"], found["site_address_root"], found["site_router_ocs_port"]) == ("lab", "detlab", 9001)


def test_an_archive_that_is_elsewhere_and_an_unfit_name_are_told(site: Site) -> None:
    found, report = site(
        """
        services:
          aggregator: {image: ocs-aggregator-agent, volumes: ["/data:/data"]}
          scanner:
            image: sisock-g3-file-scanner
            volumes: ["/disk/old:/data"]
            environment: {DATA_DIRECTORY: /data/hk}
          feed:
            image: sisock-data-feed-server
            environment: {NAME: "4 K plate", TARGET: a, FEED: b, LOGLEVEL: debug}
        """,
        hub("{agent-class: AggregatorAgent, instance-id: aggregator, arguments: [[--data-dir, /data]]}"),
    )
    assert found["sisock_scanner_settings"] == {"DATA_DIRECTORY": "/disk/old/hk"}
    assert found["sisock_servers"][0]["name"] == "s4_K_plate"
    left = "\n".join(report.left)
    assert "it read /disk/old/hk, while the aggregator records to /data" in left
    assert "its fields are called s4_K_plate::" in left
    assert "sisock_loglevel" in left


def test_recording_below_home_is_told(site: Site) -> None:
    _, report = site(
        "services: {aggregator: {image: ocs-aggregator-agent, volumes: ['/home/k/data:/data']}}",
        hub("{agent-class: AggregatorAgent, instance-id: aggregator, arguments: [[--data-dir, /data]]}"),
    )
    assert "aggregator: programs only read below /home; record elsewhere (site_data_dir)." in report.left


def test_no_value_of_the_environment_is_told(site: Site) -> None:
    compose = """
        services:
          http: {image: sisock-http, environment: {WAMP_SECRET: hush}}
          weather: {image: sisock-weather-server, environment: {TOKEN: hush, SQL_PASSWD: hush}}
          grafana: {image: grafana, environment: [GF_AUTH_SECRET=hush]}
          other: {image: influxdb, environment: {INFLUX_PASSWORD: hush}}
        """
    found, report = site(compose)
    assert "hush" not in str(found) + said(report, "yale", "a", [])
    assert "GF_AUTH_SECRET" in "".join(report.left)


@pytest.mark.parametrize(
    ("given", "groups"),
    [
        (None, []),
        ([], []),
        (["--mode", "acq", "--rate", -1], [["--mode", "acq"], ["--rate", -1]]),
        ([["--mode", "acq"], ["--quiet"]], [["--mode", "acq"], ["--quiet"]]),
        (["--mode=acq"], [["--mode", "acq"]]),
        ("--quiet", [["--quiet"]]),
    ],
)
def test_arguments_are_grouped_by_their_options(given: Any, groups: list[list[Any]]) -> None:
    assert grouped(given) == groups


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "has neither a docker-compose file nor"),
        ({"docker-compose.yaml": "- a"}, "is no docker-compose file"),
        ({"docker-compose.yaml": "services: {a: 1}"}, "is no docker-compose file"),
        ({"docker-compose.yaml": "a: ["}, "cannot be read: while parsing"),
        ({"a.yaml": hub(), "b.yaml": hub()}, r"several OCS site configurations \(a.yaml, b.yaml\)"),
    ],
)
def test_what_is_no_site_is_refused(tmp_path: Path, files: dict[str, str], words: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(Refused, match=words):
        migrated(*find(tmp_path))


def test_the_link_default_yaml_says_which_configuration_is_meant(tmp_path: Path) -> None:
    for name in ("yale.yaml", "penn.yaml"):
        (tmp_path / name).write_text(hub())
    (tmp_path / "default.yaml").symlink_to("penn.yaml")
    assert find(tmp_path) == (None, tmp_path / "penn.yaml")


@pytest.mark.parametrize(
    ("name", "words"),
    [("demo", "inventories/demo exists already"), ("1st", "is no name of a site"), ("../x", "is no name of a site")],
)
def test_the_door_refuses_in_a_line(name: str, words: str) -> None:
    command = [sys.executable, "-m", "migrate", str(HERE / "manual"), name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.fullmatch(rf"migrate: .*{words}.*\.\n", done.stderr)


def test_the_door_writes_a_site_and_says_what_is_left(tmp_path: Path) -> None:
    for part in ("migrate", "playbooks", "roles", "services"):
        (tmp_path / part).symlink_to(ROOT / part)
    shutil.copytree(ROOT / "migrate", tmp_path / "copy")
    (tmp_path / "migrate").unlink()
    (tmp_path / "copy").rename(tmp_path / "migrate")
    command = [sys.executable, "-m", "migrate", str(HERE / "manual"), "yale", "--address", "hk.yale.edu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ansible_host: hk.yale.edu" in (tmp_path / "inventories/yale/hosts.yml").read_text()
    assert "natel-plotly-panel" in done.stdout
    assert (tmp_path / "inventories/yale/MIGRATION.md").read_text() in done.stdout
