"""The role grafana on a host without systemd and without internet: from a repository, from a file, and again."""

import hashlib
import json
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from sisock.answers import FieldInfo
from tests.ansible.grafana.package import build
from tests.ansible.scratch_host import ROOT, ScratchHost, impossible

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(why := impossible()), reason=f"this machine can have no host to try it on: {why}"),
]

FIELDS = [FieldInfo(name, "number", "K", None, "t")._asdict() for name in ("sensors::load", "apex::apex_pressure")]
NODES = [
    {"name": name, "description": name, "online": True, "fields": 1, "answered": 1.0, "problem": None, "joins": []}
    for name in ("sensors", "apex")
]
BRIDGE = f"""
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
REPLIES = {{"/api/v1/nodes": {{"router": True, "hub": True, "nodes": {NODES!r}}},
    "/api/v1/fields": {{"total": {len(FIELDS)}, "fields": {FIELDS!r}}}, "/metrics/find": [{{"text": "sensors"}}]}}
class Bridge(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = json.dumps(REPLIES[self.path.partition("?")[0]]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
ThreadingHTTPServer(("127.0.0.1", 5000), Bridge).serve_forever()
"""
SUPERVISOR = """
[unix_http_server]
file=/run/supervisor.sock
[supervisord]
logfile=/tmp/supervisord.log
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix:///run/supervisor.sock
[include]
files=/etc/supervisor/conf.d/*.conf
"""
VARIABLES = {
    "ansible_connection": "local",
    "ansible_python_interpreter": "/usr/bin/python3",
    # What role supervisor, which installs it, has found.
    "supervisor_program": {"stat": {"exists": True}},
    "grafana_repository": "http://127.0.0.1:8099",
    "grafana_servers": [{"name": "sensors", "type": "sensors"}, {"name": "apex", "type": "weather"}],
    "grafana_agents": [{"instance_id": "faker", "class": "FakeDataAgent"}],
}
SERVE = "python3 -m http.server --bind 127.0.0.1 --directory /tmp/shared/repository 8099 >/dev/null 2>&1 &\n"
RUN = """
python3 /tmp/shared/bridge.py >/tmp/bridge.log 2>&1 &
supervisord --configuration=/tmp/shared/supervisord.conf
"""


def play(*options: str, tasks_from: str = "main", **variables: Any) -> str:
    """Write a command that runs one entry point of the role."""
    role = {"name": "grafana", "tasks_from": tasks_from}
    tasks = [{"name": "Run it", "ansible.builtin.include_role": role}]
    plays = [{"name": "Grafana", "hosts": "all", "gather_facts": False, "roles": ["site"], "tasks": tasks}]
    # Variables of an inventory, which what the role says itself outweighs.
    hosts = {"all": {"hosts": {"host": VARIABLES | variables}}}
    here = f"/tmp/{tasks_from}.yml", "/tmp/hosts.yml"
    wrote = "".join(
        f"cat >{path} <<'END'\n{yaml.safe_dump(what)}END\n" for path, what in zip(here, (plays, hosts), strict=True)
    )
    # Those of a playbook are beside it.
    filters = f"ANSIBLE_FILTER_PLUGINS={ROOT}/playbooks/filter_plugins"
    return f"{wrote}{filters} ansible-playbook --inventory {here[1]} {' '.join(options)} {here[0]}\n"


def changed(output: str) -> list[str]:
    """What each play of the output says it has changed."""
    return re.findall(r"changed=(\d+)", output)


def described(package: Path) -> str:
    """What the list of a repository says of a package."""
    control = subprocess.run(["dpkg-deb", "--field", str(package)], check=True, capture_output=True, text=True).stdout
    content = package.read_bytes()
    return (
        f"{control}Filename: ./{package.name}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n\n"
    )


def repository(folder: Path, *versions: str) -> str:
    """Make a signed APT repository; return the fingerprint of its key."""
    folder.mkdir()
    listed = "".join(described(build(version, folder)) for version in versions).encode()
    home = folder.parent / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", ""]
    for name in ("repository@localhost", "stranger@localhost"):
        subprocess.run([*gpg, "--quick-generate-key", name, "ed25519", "sign"], check=True, capture_output=True)
    lines = subprocess.run([*gpg, "--with-colons", "--list-keys"], check=True, capture_output=True, text=True).stdout
    ours, _ = re.findall(r"^fpr:+([0-9A-F]+):", lines, re.MULTILINE)
    exported = subprocess.run([*gpg, "--armor", "--export"], check=True, capture_output=True, text=True).stdout
    (folder / "gpg-full.key").write_text(exported)
    index = folder / "dists/stable/main/binary-all"
    index.mkdir(parents=True)
    (index / "Packages").write_bytes(listed)
    release = folder / "dists/stable/Release"
    release.write_text(
        "Suite: stable\nCodename: stable\nComponents: main\nArchitectures: all amd64 arm64\n"
        f"SHA256:\n {hashlib.sha256(listed).hexdigest()} {len(listed)} main/binary-all/Packages\n"
    )
    clear = ["--local-user", ours, "--output", str(release.with_name("InRelease")), "--clearsign", str(release)]
    subprocess.run([*gpg, *clear], check=True, capture_output=True)
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
    return ours


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> ScratchHost:
    """A host that has what the other roles bring, and a repository in reach."""
    folder = tmp_path_factory.mktemp("host")
    host = ScratchHost(folder)
    VARIABLES["grafana_key_fingerprints"] = [
        repository(host.shared / "repository", "11.6.0", "12.0.0", "12.4.0", "13.1.0")
    ]
    (host.shared / "bridge.py").write_text(BRIDGE)
    (host.shared / "supervisord.conf").write_text(SUPERVISOR)
    above = " ".join(str(path) for path in [*ROOT.parents, *Path("/root/x").parents, ROOT])
    host.do(f"""
        rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*
        rm -rf /etc/sisock /etc/supervisor /opt/sisock /var/lib/sisock* /var/log/sisock
        mkdir -p /etc/supervisor/conf.d /var/log/sisock /opt/sisock/releases/1/bin
        ln -s releases/1 /opt/sisock/current
        printf '#!/bin/sh\\nPYTHONPATH={ROOT} exec %s "$@"\\n' "$(command -v python)" >/opt/sisock/releases/1/bin/python
        chmod +x /opt/sisock/releases/1/bin/python
        chmod a+x {above}
    """)
    return host


@pytest.fixture(scope="module")
def converged(fresh: ScratchHost) -> tuple[ScratchHost, list[str]]:
    """The host with Grafana, and what check mode before, the run, a second run and check mode after it said."""
    return fresh, [fresh.do(SERVE + play(*options)) for options in (["--check"], [], [], ["--check"])]


@pytest.fixture(scope="module")
def started(
    converged: tuple[ScratchHost, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[ScratchHost, str]:
    """A host whose Grafana has run once, and in which somebody has made a dashboard; and what was seen as it ran."""
    host = converged[0].copy(tmp_path_factory.mktemp("started"))
    said = host.do(f"""{RUN}
        {play(tasks_from="verify")}
        supervisorctl --configuration=/tmp/shared/supervisord.conf status
        ss --tcp --listening --numeric --no-header
        ls -l /var/lib/sisock-dashboards
        supervisorctl --configuration=/tmp/shared/supervisord.conf shutdown
    """)
    _write(host, _database(host) | {"hand-made": "mine"})
    return host, said


@pytest.fixture
def host(started: tuple[ScratchHost, str], tmp_path: Path) -> ScratchHost:
    return started[0].copy(tmp_path)


def _database(host: ScratchHost) -> dict[str, str]:
    return json.loads((host.changed / "var/lib/grafana/grafana.db").read_text())


def _write(host: ScratchHost, database: dict[str, str]) -> None:
    (host.changed / "var/lib/grafana/grafana.db").write_text(json.dumps(database))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_second_run_and_check_mode_find_nothing_to_change(converged: tuple[ScratchHost, list[str]]) -> None:
    _, (_, first, second, checked) = converged
    assert changed(first) != ["0"]
    assert changed(second) == changed(checked) == ["0"], second + checked


def test_it_takes_the_newest_of_the_major_release_and_stays_there(host: ScratchHost) -> None:
    assert host.do("dpkg-query -W -f '${Version}' grafana") == "12.4.0"
    said = host.do(SERVE + "apt-get update -q >/dev/null 2>&1; apt-get upgrade --simulate -q")
    assert "grafana" not in said


def test_only_the_key_with_the_fingerprint_is_trusted(host: ScratchHost) -> None:
    assert host.do("gpg --show-keys /etc/apt/keyrings/sisock-grafana.asc").count("@localhost") == 1


def test_a_repository_with_another_key_is_refused_and_nothing_is_installed(fresh: ScratchHost, tmp_path: Path) -> None:
    host = ScratchHost(tmp_path)
    host.shared.rmdir()
    host.shared.symlink_to(fresh.shared)
    host.do("rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*")
    done = host.run(SERVE + play(grafana_key_fingerprints=["0" * 40]))
    assert done.returncode != 0
    assert "The repository's key has not the fingerprint 000000" in done.stdout.replace("''", "'")
    assert not (host.changed / "usr/share/grafana").exists()
    assert not (host.changed / "etc/apt/sources.list.d/sisock-grafana.sources").exists()


def test_supervisor_runs_it_and_the_dashboards_are_seen_through_it(started: tuple[ScratchHost, str]) -> None:
    _, said = started
    assert re.search(r"grafana:server +RUNNING", said)
    assert re.search(r"grafana:dashboards +RUNNING", said)
    assert re.search(r"127\.0\.0\.1:3000\b", said)
    assert not re.search(r"(\*|0\.0\.0\.0|\[::\]):3000\b", said)
    for board in ("overview", "weather", "archive", "health"):
        assert re.search(rf"-rw-r--r--.* sisock-dashboards .* sisock-{board}\.json", said)


def test_the_secrets_are_grafanas_alone_and_on_no_command_line_or_log(converged: tuple[ScratchHost, list[str]]) -> None:
    host, said = converged
    secrets = host.changed / "etc/sisock/secrets"
    for name in ("grafana_admin", "grafana_secret_key"):
        value = (secrets / name).read_text()
        assert len(value) >= 48
        assert value not in "".join(said) + (host.changed / "etc/grafana/grafana.ini").read_text()
    assert host.do("stat -c '%U:%G %a' /etc/sisock/secrets/grafana_*").split("\n")[:2] == ["root:grafana 640"] * 2


def test_another_package_upgrades_it_and_what_people_made_stays(host: ScratchHost) -> None:
    before = _database(host)
    build("12.9.1", host.shared)
    package = {"grafana_package": "/tmp/shared/grafana_12.9.1_all.deb"}
    host.do(play(**package))
    assert host.do("dpkg-query -W -f '${Version}' grafana") == "12.9.1"
    assert _database(host) == before
    assert before["admin"] == _digest((host.changed / "etc/sisock/secrets/grafana_admin").read_text())
    assert not (host.changed / "etc/apt/sources.list.d/sisock-grafana.sources").is_file()


def test_a_password_that_the_site_brings_is_put_into_force_and_one_that_a_person_chose_stays(host: ScratchHost) -> None:
    chosen = _database(host) | {"admin": _digest("chosen")}
    _write(host, chosen)
    host.do(play(tasks_from="configure"))
    assert _database(host) == chosen
    said = host.do(play("-v", tasks_from="configure", secrets_provided={"grafana_admin": "brought by the site"}))
    assert _database(host) == chosen | {"admin": _digest("brought by the site")}
    assert "brought by the site" not in said


def test_the_plugin_is_unpacked_when_it_is_the_pinned_one_and_goes_with_its_pin(host: ScratchHost) -> None:
    path = host.shared / "plugin.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("simpod-json-datasource/plugin.json", '{"id": "simpod-json-datasource"}')
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    pin = {"tasks_from": "plugin", "grafana_simpod_zip": "/tmp/shared/plugin.zip"}
    refused = host.run(play(**pin, grafana_simpod_sha256="0" * 64))
    assert refused.returncode != 0
    assert f"has the SHA-256 {digest}" in " ".join(refused.stdout.split())
    unpacked = host.changed / "var/lib/grafana/plugins/simpod-json-datasource/plugin.json"
    assert not unpacked.exists()
    host.do(play(**pin, grafana_simpod_sha256=digest))
    assert unpacked.is_file()
    again = host.do(play(**pin, grafana_simpod_sha256=digest))
    assert changed(again) == ["0"], again
    host.do(play(tasks_from="plugin"))
    assert not unpacked.exists()


def test_a_file_that_is_not_there_is_refused_before_anything_is_touched(host: ScratchHost) -> None:
    done = host.run(play(tasks_from="preflight", grafana_package="/none/grafana.deb"))
    assert done.returncode != 0
    assert "/none/grafana.deb does not exist on the controller; nothing was changed." in " ".join(done.stdout.split())


def test_a_grafana_of_others_is_refused_unless_it_may_be_taken_over(host: ScratchHost) -> None:
    host.do(play(tasks_from="preflight"))
    done = host.run("rm -r /var/lib/sisock-grafana\n" + play(tasks_from="preflight"))
    assert done.returncode != 0
    assert "host has a Grafana that was not installed from here; nothing was changed." in " ".join(done.stdout.split())
    host.do(play(tasks_from="preflight", grafana_take_over=True))


def test_it_is_taken_off_and_only_what_people_made_is_left(host: ScratchHost) -> None:
    host.do(play(tasks_from="remove", remove_dashboards=False))
    left = host.do(
        "ls -d /usr/share/grafana /etc/grafana /var/lib/sisock-* /etc/apt/*/sisock-grafana* /var/lib/grafana 2>&1 || :"
    )
    assert [line for line in left.splitlines() if "No such file" not in line] == ["/var/lib/grafana"]
    assert _database(host)["hand-made"] == "mine"
