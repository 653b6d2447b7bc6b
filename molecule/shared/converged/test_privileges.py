"""Who is let in at the router, and what each account may do there: all is tried, and only what is due is allowed."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

SECRETS = "/etc/sisock/secrets"
BASE = "org.simonsobservatory"
ANSWER, FIND, CAME, JOIN, HEALTH = (
    f"{BASE}.consumer.trial.get_data",
    f"{BASE}.consumer.get_data_node",
    f"{BASE}.consumer.data_node_added",
    f"{BASE}.data_node.trial",
    f"{BASE}.data_node.health.trial",
)
OCS = "observatory.trial.anything"
LEFT, SESSION, KILL, STRANGE = "wamp.session.on_leave", "wamp.session.get", "wamp.session.kill", "com.example.anything"
URIS = (ANSWER, FIND, CAME, JOIN, HEALTH, OCS, LEFT, SESSION, KILL, STRANGE, f"{BASE}.consumer")
VERBS = ("call", "register", "publish", "subscribe")
AS_SERVER = {
    ("register", ANSWER),
    ("call", JOIN),
    ("publish", HEALTH),
    ("subscribe", HEALTH),
    ("subscribe", OCS),
}
# That none but the hub may register what the hub has is tried where the hub is away, in tests/integration.
DUE = {
    ("server", "socket"): AS_SERVER,
    ("server", "tls"): AS_SERVER,
    ("consumer", "socket"): {("call", ANSWER), ("call", FIND), ("subscribe", CAME)},
    ("hub", "socket"): {
        ("register", JOIN),
        ("register", HEALTH),
        ("publish", CAME),
        ("subscribe", LEFT),
        ("call", SESSION),
    },
    (None, "ocs"): {(verb, OCS) for verb in VERBS},
}

STRANGERS = [
    (None, "tls", None, "test_realm"),
    (None, "socket", None, "test_realm"),
    ("server", "tls", None, "test_realm"),
    ("server", "socket", None, "test_realm"),
    ("hub", "tls", "server", "test_realm"),
    ("hub", "socket", "consumer", "test_realm"),
    ("nobody", "tls", "server", "test_realm"),
    ("ocs", "socket", "server", "test_realm"),
    ("hub", "ocs", "hub", "test_realm"),
    ("server", "socket", "server", "other_realm"),
    (None, "ocs", None, "other_realm"),
]
"""Account, door, whose secret it shows, and realm."""

Who = tuple[str | None, str, str | None, str]


@pytest.fixture(scope="module")
def answers(host: Host) -> dict[Who, dict[str, Any]]:
    """Join as everybody, known or not, and try everything."""
    script = Path(__file__).parents[1].joinpath("wamp_trial.py").read_text()
    known = [(account, transport, account, "test_realm") for account, transport in DUE]
    trials = [
        dict(zip(("account", "transport", "secret", "realm"), who, strict=True)) | {"acts": list(product(VERBS, URIS))}
        for who in (*known, *STRANGERS)
    ]
    printed = host.check_output("/opt/sisock/current/bin/python -c %s %s", script, json.dumps(trials))
    return dict(zip((*known, *STRANGERS), json.loads(printed.splitlines()[-1]), strict=True))


@pytest.mark.parametrize(("account", "transport"), DUE)
def test_an_account_may_do_what_it_is_for_and_nothing_else(
    answers: dict[Who, dict[str, Any]], account: str | None, transport: str
) -> None:
    """Of every verb with every kind of address."""
    answer = answers[account, transport, account, "test_realm"]
    assert answer["refused"] is None
    assert {(verb, uri) for verb, uri in answer["allowed"]} == DUE[account, transport]


@pytest.mark.parametrize("who", STRANGERS)
def test_who_is_not_known_stays_outside(answers: dict[Who, dict[str, Any]], who: Who) -> None:
    """Without an account, with a guess or another's secret, under another name, or at the wrong door."""
    assert answers[who]["refused"] is not None


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_tls_is_not_spoken(host: Host, version: str) -> None:
    """Also to a client that lowers its own bar for it."""
    client = f"openssl s_client -connect 127.0.0.1:8080 {version} -cipher DEFAULT@SECLEVEL=0"
    assert "Cipher is (NONE)" in host.run(f"{client} </dev/null 2>&1").stdout


@pytest.mark.parametrize("account", ["sisock-server", "sisock-bridge", "sisock-scanner", "ocs", "nobody"])
def test_nobody_else_takes_the_routers_place(host: Host, account: str) -> None:
    """Its socket and its configuration are its own."""
    as_account = f"setpriv --reuid={account} --regid=$(id -g {account}) --init-groups"
    assert host.run(f"{as_account} rm /var/lib/sisock-router/router.sock").failed
    assert host.run(f"{as_account} touch /var/lib/sisock-router/other.sock").failed
    assert host.run(f"{as_account} cat /var/lib/crossbar/config.yaml").failed
