"""What leaves a host in a support bundle holds none of its secrets."""

import base64
import importlib.util
import json
import tarfile
from pathlib import Path
from types import ModuleType
from urllib.parse import quote

import pytest

PATH = Path(__file__).parents[2] / "roles/support/files/sisock_support.py"
SECRET = "kWq7+Lq/Zx=9aVbN4mTtYuI8oPq1sDf2"
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBiD0Tn8aQJ0\n4Tn8aQJ0MHcCAQEEIBiD\n-----END EC PRIVATE KEY-----\n"


def _program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sisock_support", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


program = _program()


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "tls").mkdir()
    (tmp_path / "secrets/db_reader").write_text(SECRET)
    (tmp_path / "tls/ca.key").write_text(PEM)
    (tmp_path / "tls/ca.crt").write_text("-----BEGIN CERTIFICATE-----\nMIIBpublicpublic\n-----END CERTIFICATE-----\n")
    return tmp_path


def _values(etc: Path) -> list[str]:
    values: list[str] = program.known_values([etc / "secrets", etc / "tls"])
    return values


@pytest.mark.parametrize(
    "planted",
    [
        SECRET,
        f"joined as reader with {SECRET}.",
        quote(SECRET, safe=""),
        json.dumps({"x": SECRET}),
        SECRET.encode().hex(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"admin:{SECRET}".encode()).decode(),
        base64.b64encode(f"a:{SECRET}".encode()).decode(),
        base64.b64encode(f"ab:{SECRET}".encode()).decode(),
        PEM,
        "4Tn8aQJ0MHcCAQEEIBiD",
    ],
)
def test_a_secret_of_the_host_is_masked_wherever_it_stands(etc: Path, planted: str) -> None:
    masked = program.mask(f"before {planted} after", _values(etc))
    assert "(masked)" in masked
    assert masked.startswith("before")
    assert masked.endswith("after")
    inner = base64.b64encode(SECRET.encode()).decode()[4:-8]
    for form in (SECRET, quote(SECRET, safe=""), SECRET.encode().hex(), inner, "4Tn8aQJ0", "MHcCAQEE"):
        assert form not in masked


@pytest.mark.parametrize(
    "line",
    [
        "mysql://scanner:HIDDEN123@localhost/files",
        "password=HIDDEN123",
        "Password: HIDDEN123",
        '"secret": "HIDDEN123 and more"',
        "secret: 'HIDDEN123'",
        "    secret: HIDDEN123",
        "GF_SECURITY_ADMIN_PASSWORD=HIDDEN123",
        "admin_password = HIDDEN123",
        "secret_key = HIDDEN123",
        'WAMP_SECRET="HIDDEN123"',
        "SQL_PASSWD=HIDDEN123 SQL_HOST=here",
        "MYSQL_PWD=HIDDEN123",
        "mariadb --user=root --password HIDDEN123 files",
        "curl --token HIDDEN123",
        "Authorization: Bearer HIDDEN123456",
        "authorization: Basic SElEREVOMTIz",
        "CREATE USER reader IDENTIFIED BY 'HIDDEN123'",
        "IDENTIFIED BY PASSWORD '*HIDDEN123'",
        "api_key: HIDDEN123",
        "apikey=HIDDEN123&x=1",
        "https://example.org/?token=HIDDEN123",
        PEM.replace("MHcCAQEE", "HIDDEN123"),
        "HIDDEN123\n-----END PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nHIDDEN123",
    ],
)
def test_what_looks_like_a_secret_is_masked_also_when_the_host_does_not_know_it(line: str) -> None:
    masked = program.mask(line, [])
    assert "HIDDEN123" not in masked
    assert "SElEREVO" not in masked
    assert "(masked)" in masked


@pytest.mark.parametrize(
    "line",
    [
        'WAMP_SECRET_FILE="/etc/sisock/secrets/wamp_server"',
        "SQL_PASSWD_FILE=/etc/sisock/secrets/db_reader",
        "admin_password = $__file{/etc/sisock/secrets/grafana_admin}",
        "2026-11-23T06:34:07+0000 data_feed: joined test_realm at unix:/var/lib/sisock-router/router.sock",
        "servers:data_feed   RUNNING   pid 130, uptime 0:00:01",
        "innodb-buffer-pool-size = 512M",
        "observatory.faker-fast.feeds.false_temperatures.channel_00=0.111776",
        "Authorised keys: 3",
    ],
)
def test_what_a_helper_needs_is_left(line: str) -> None:
    assert program.mask(line, []) == line


def test_a_bundle_has_every_file_and_command_and_no_planted_secret(etc: Path, tmp_path: Path) -> None:
    logs = tmp_path / "log"
    logs.mkdir()
    (logs / "long.log").write_text("old\n" * 1000 + f"connected with {SECRET}\nnewest\n")
    (logs / "config.yaml").write_text(f"principals:\n  server:\n    secret: {SECRET}\n")
    plan = {
        "commands": {"say": ["echo", f"--password={SECRET}"], "none": ["no-such-program"]},
        "files": [f"{logs}/*", "/no/such/*"],
        "most": 200,
        "secrets": [str(etc / "secrets"), str(etc / "tls")],
    }
    target = tmp_path / "observatory.tar.gz"
    program.bundle(plan, target)
    assert oct(target.stat().st_mode & 0o777) == "0o600"
    with tarfile.open(target) as archive:
        texts = {name: archive.extractfile(name).read().decode() for name in archive.getnames()}  # type: ignore[union-attr]
    names = {name.partition("/")[2] for name in texts}
    assert names == {
        "commands/say.txt", "commands/none.txt", f"files{logs}/long.log", f"files{logs}/config.yaml",
    }  # fmt: skip
    assert "".join(texts.values()).count("(masked)") >= 3
    assert all(SECRET not in text for text in texts.values())
    assert texts[f"observatory/files{logs}/long.log"].endswith("newest\n")
    assert len(texts[f"observatory/files{logs}/long.log"]) <= 220
    assert "No such file" in texts["observatory/commands/none.txt"]
