"""A miniature site on private ports: real router, hub, data servers, bridge and OCS agents, each a process."""

import contextlib
import datetime
import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jinja2
import pytest
import yaml
from autobahn.wamp.exception import ApplicationError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sisock.client import Client, connect
from sisock.config import Router
from sisock.errors import SisockError

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
SECRETS = {"hub": "hub-secret", "server": "server-secret", "consumer": "consumer-secret"}
T = TypeVar("T")


def eventually(what: str, probe: Callable[[], T], within: float = 30.0) -> T:
    """Ask `probe` again and again until its answer is true; fail, naming `what` was awaited, after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        try:
            answer = probe()
            last = repr(answer)
            if answer:
                return answer
        except (OSError, AssertionError, LookupError, SisockError, ApplicationError) as error:
            last = repr(error)
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within:g} s: {what}; last seen: {last[:800]}")
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Program:
    """One process of the site, with its log; started again by `start` as a supervisor would."""

    def __init__(self, name: str, command: list[str], env: dict[str, str], cwd: Path) -> None:
        self.name, self._command, self._env, self._cwd = name, command, env, cwd
        self.log_path = cwd / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Program":
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, env=self._env, cwd=self._cwd, stdout=log, stderr=log, start_new_session=True
            )
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """kill -9 of the process alone, as an accident would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End the process and whatever it has started."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Site:
    """Everything of one miniature site."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tls_port, self.ocs_port, self.bridge_port = free_port(), free_port(), free_port()
        self.programs: dict[str, Program] = {}
        self.ca, self.socket = folder / "ca.crt", folder / "router.sock"
        self.data = folder / "data"
        self.data.mkdir()

    # -- making -------------------------------------------------------------------------------------------------

    def start_router(self, **variables: Any) -> Program:
        node = self.folder / "router"
        node.mkdir()
        make_certificates(self.folder)
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(ROOT / "files" / "crossbar"),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
        )
        environment.filters["to_json"] = json.dumps
        config = environment.get_template("config.yaml.j2").render(
            {
                "site_realm": "test_realm",
                "site_address_root": "observatory",
                "site_router_socket": str(self.socket),
                "site_router_tls_port": self.tls_port,
                "site_router_ocs_port": self.ocs_port,
                "crossbar_tls_listen": "127.0.0.1",
                "crossbar_ocs_listen": "127.0.0.1",
                "crossbar_tls_cert": str(self.folder / "router.crt"),
                "crossbar_tls_key": str(self.folder / "router.key"),
                "crossbar_secrets": SECRETS,
                "crossbar_allow_legacy_servers": False,
            }
            | variables
        )
        (node / "config.yaml").write_text(config)
        checked = subprocess.run(
            [BIN / "crossbar", "check", "--cbdir", node], check=False, capture_output=True, text=True, timeout=60
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
        return self.run("crossbar", [str(BIN / "crossbar"), "start", "--cbdir", str(node)], {})

    def start(self, package: str, name: str = "", user: str = "server", **env: object) -> Program:
        """Start ``python -m services.<package>`` as the account `user`."""
        return self.run(
            name or package.rpartition(".")[2],
            [sys.executable, "-m", f"services.{package}"],
            self.environ(user) | ({"NAME": name} if name else {}) | {key: str(value) for key, value in env.items()},
        )

    def start_agents(self, agents: list[dict[str, Any]]) -> None:
        """Start OCS agents by their entries of an OCS site configuration."""
        config = {
            "hub": {
                "wamp_server": f"ws://127.0.0.1:{self.ocs_port}/ws",
                "wamp_http": f"http://127.0.0.1:{self.ocs_port}/call",
                "wamp_realm": "test_realm",
                "address_root": "observatory",
                "registry_address": "observatory.registry",
            },
            "hosts": {"here": {"agent-instances": agents}},
        }
        (self.folder / "default.yaml").write_text(yaml.safe_dump(config))
        for agent in agents:
            self.run(
                agent["instance-id"],
                [str(BIN / "ocs-agent-cli"), "--instance-id", agent["instance-id"], "--site-host", "here"],
                {"OCS_CONFIG_DIR": str(self.folder), "CROSSBAR_TIMEOUT": "0"},
            )

    def environ(self, user: str) -> dict[str, str]:
        secret = self.folder / f"{user}.secret"
        secret.write_text(SECRETS[user])
        return {
            # A bare host may have no name for it: not even "localhost".
            "CROSSBAR_SOCKET": str(self.socket),
            "CROSSBAR_HOST": "127.0.0.1",
            "CROSSBAR_TLS_PORT": str(self.tls_port),
            "CROSSBAR_OCS_PORT": str(self.ocs_port),
            "CROSSBAR_CA": str(self.ca),
            "WAMP_USER": user,
            "WAMP_SECRET_FILE": str(secret),
        }

    def run(self, name: str, command: list[str], env: dict[str, str]) -> Program:
        common = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.folder),
            "PYTHONUNBUFFERED": "1",
        }
        program = Program(name, command, common | env, self.folder)
        self.programs[name] = program
        return program.start()

    def stop(self) -> None:
        for program in reversed(self.programs.values()):
            program.stop()

    # -- asking -------------------------------------------------------------------------------------------------

    def router(self, user: str = "consumer") -> Router:
        return Router.from_environ(self.environ(user))

    def client(self, user: str = "consumer") -> Client:
        return connect(self.router(user), timeout=30)

    def http(self, path: str, body: Any = None) -> Any:
        """Ask the bridge; a body makes it a POST."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.bridge_port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)

    def query(self, *targets: str, start: float, end: float, points: int = 11000) -> list[dict[str, Any]]:
        """POST /query for UNIX times as SimpleJSON does."""
        iso = [
            datetime.datetime.fromtimestamp(t, datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            for t in (start, end)
        ]
        answer: list[dict[str, Any]] = self.http(
            "/query",
            {
                "range": {"from": iso[0], "to": iso[1]},
                "intervalMs": 1,
                "maxDataPoints": points,
                "targets": [
                    {"target": target, "refId": chr(65 + n), "type": "timeserie"} for n, target in enumerate(targets)
                ],
            },
        )
        return answer


def make_certificates(folder: Path) -> None:
    """A certificate authority, and the router's certificate for localhost signed by it."""
    now = datetime.datetime.now(datetime.UTC)

    def build(name: str, key: Any, issuer: str, signer: Any, *extensions: x509.ExtensionType) -> x509.Certificate:
        builder = x509.CertificateBuilder(
            issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
            subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - datetime.timedelta(minutes=5),
            not_valid_after=now + datetime.timedelta(days=1),
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(signer, hashes.SHA256())

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = build("test authority", ca_key, "test authority", ca_key, x509.BasicConstraints(ca=True, path_length=0))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    router = build("localhost", key, "test authority", ca_key, names)
    (folder / "ca.crt").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    (folder / "router.crt").write_bytes(router.public_bytes(serialization.Encoding.PEM))
    (folder / "router.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
