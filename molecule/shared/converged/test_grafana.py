"""Grafana, or what stands in for it, shows the site to whoever has the password."""

import json
from typing import Any

from testinfra.host import Host

_ASK = """
import base64, sys, urllib.request
password = open("/etc/sisock/secrets/grafana_admin").read()
request = urllib.request.Request("http://127.0.0.1:3000" + sys.argv[1])
request.add_header("Authorization", "Basic " + base64.b64encode(f"admin:{password}".encode()).decode())
print(urllib.request.urlopen(request, timeout=30).read().decode())
"""


def ask(host: Host, path: str) -> Any:
    """What Grafana answers its admin."""
    return json.loads(host.check_output("python3 -c %s %s", _ASK, path))


def test_systemd_runs_it_now_and_after_a_reboot(host: Host) -> None:
    """Its unit is the package's."""
    unit = host.service("grafana-server")
    assert unit.is_running
    assert unit.is_enabled


def test_it_asks_the_bridge_through_its_data_source(host: Host) -> None:
    """The first level of Graphite's tree are the data servers."""
    servers = {each["text"] for each in ask(host, "/api/datasources/proxy/uid/sisock/metrics/find?query=*")}
    assert {"feeds", "apex_archive", "sensors"} <= servers


def test_each_instrument_has_a_dashboard(host: Host) -> None:
    """And so have the site, its weather, its archive and the appliance."""
    shown = {each["uid"] for each in ask(host, "/api/search?tag=sisock")}
    assert {f"sisock-{each}" for each in ("overview", "weather", "archive", "health")} <= shown
    assert {"sisock-agent-faker-fast", "sisock-agent-faker-slow", "sisock-server-lab_log"} <= shown


def test_nobody_else_gets_in(host: Host) -> None:
    """Without the password there is nothing to see."""
    refused = host.run("python3 -c %s", "import urllib.request as u; u.urlopen('http://127.0.0.1:3000/api/search')")
    assert "401" in refused.stderr
    for account in ("nobody", "sisock-dashboards"):
        assert host.run("runuser --user=%s -- python3 -c %s /api/search", account, _ASK).failed
