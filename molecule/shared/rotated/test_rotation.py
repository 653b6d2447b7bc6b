"""Secrets and certificates are made anew while the site is at work: what was known before opens nothing any more."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from plays import done
from seen import BACK_AFTER_BOOT, FRESH, Bridge, Program, serves, until
from testinfra.host import Host

OUTAGE = 30.0
"""Seconds for which panels may be without fresh data."""
BACK = 60.0
SECRETS, TLS = "/etc/sisock/secrets", "/etc/sisock/tls"
ACCOUNTS = ("db_reader", "db_scanner", "wamp_consumer", "wamp_hub", "wamp_server", "grafana_admin")
WATCHED = "/run/watched"
TALKATIVE = ("-vvv", "--diff")
"""Who asks for all that Ansible can say is told no secret either."""

_WATCH = """
import datetime, json, sys, time, urllib.request

def iso(t):
    return datetime.datetime.fromtimestamp(t, datetime.timezone.utc).isoformat()

while True:
    now = time.time()
    body = {"range": {"from": iso(now - 60), "to": iso(now)}, "intervalMs": 1, "maxDataPoints": 11000,
            "targets": [{"target": sys.argv[1], "type": "timeserie"}]}
    request = urllib.request.Request("http://127.0.0.1:5000/query", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    try:
        series = json.load(urllib.request.urlopen(request, timeout=5))
        newest = max((t / 1e3 for each in series for value, t in each["datapoints"] if value is not None), default=0)
    except (OSError, ValueError):
        newest = 0
    print(time.time(), newest, flush=True)
    time.sleep(0.2)
"""

Fields = Callable[[set[str]], dict[str, str]]


class Watched:
    """A live field as it is asked for, five times a second, from the host itself."""

    def __init__(self, host: Host, field: str) -> None:
        self._host = host
        command = f"setsid nohup python3 -c %s %s </dev/null >{WATCHED} 2>&1 & echo $!"
        self._pid = host.check_output(command, _WATCH, field)

    def end(self) -> None:
        """Look no longer."""
        self._host.run("kill %s", self._pid)

    def is_fresh(self) -> bool:
        """Whether the last look at the field found a fresh sample."""
        return any(now - newest <= FRESH for now, newest in self._looks()[-1:])

    def outage(self) -> float:
        """End it once the field is fresh again, and return the longest time without a fresh sample, in seconds."""
        until(BACK, self.is_fresh)
        # One that died meanwhile has seen no outage, and there is nobody to end.
        self._host.check_output("kill %s", self._pid)
        fresh = [now for now, newest in self._looks() if now - newest <= FRESH]
        return max(later - sooner for sooner, later in pairwise(fresh))

    def _looks(self) -> list[tuple[float, float]]:
        """When it was looked at, and the newest sample seen then; the last line may not be whole yet."""
        *lines, _ = self._host.file(WATCHED).content_string.split("\n")
        return [(float(now), float(newest)) for now, newest in map(str.split, lines)]


@pytest.fixture
def watched(
    host: Host, bridge: Bridge, programs: Callable[[], dict[str, Program]], live_fields: Fields
) -> Iterator[Watched]:
    """Watch a live field while the test runs; the host may just have been started."""
    until(BACK_AFTER_BOOT, lambda: serves(programs, bridge, live_fields))
    watched = Watched(host, min(live_fields(bridge.search())))
    until(BACK, watched.is_fresh)
    yield watched
    watched.end()


def values(host: Host) -> dict[str, str]:
    """Read the secrets, and the keys as what a line of them says."""
    secrets = {name: host.file(f"{SECRETS}/{name}").content_string.strip() for name in host.file(SECRETS).listdir()}
    keys = {name: host.file(f"{TLS}/{name}").content_string.splitlines()[1] for name in ("ca.key", "router.key")}
    return secrets | keys


def certificate(host: Host, name: str) -> dict[str, str]:
    """Read serial number and public key of a certificate."""
    shown = host.check_output(f"openssl x509 -in {TLS}/{name}.crt -noout -serial -pubkey")
    serial, _, key = shown.partition("\n")
    return {"serial": serial, "key": key}


def is_shown(host: Host) -> bool:
    """Whether the router shows the certificate of the file, and who trusts the authority accepts it."""
    client = (
        f"openssl s_client -connect localhost:8080 -CAfile {TLS}/ca.crt -verify_return_error -verify_hostname localhost"
    )
    shown = host.run(f"{client} </dev/null 2>/dev/null | openssl x509 -noout -serial")
    return bool(shown.stdout.strip() == certificate(host, "router")["serial"])


def test_the_routers_key_is_made_anew_under_all_who_trust_the_authority(host: Host, watched: Watched) -> None:
    """The playbook renew_tls: another key, another certificate, the same authority."""
    before, authority = certificate(host, "router"), certificate(host, "ca")
    said = done("renew_tls", *TALKATIVE)
    outage = watched.outage()
    after = certificate(host, "router")
    assert after["serial"] != before["serial"]
    assert after["key"] != before["key"]
    assert certificate(host, "ca") == authority
    assert is_shown(host)
    assert not [name for name, value in values(host).items() if value in said]
    assert outage <= OUTAGE


def test_the_authority_is_made_anew(host: Host, watched: Watched) -> None:
    """With -e renew_authority=true: another key, which everybody trusts from then on."""
    before = certificate(host, "ca")
    done("renew_tls", "-e", "renew_authority=true")
    outage = watched.outage()
    assert certificate(host, "ca")["key"] != before["key"]
    assert is_shown(host)
    assert outage <= OUTAGE


def test_the_host_renews_by_itself_what_ends_soon(
    host: Host, programs: Callable[[], dict[str, Program]], watched: Watched
) -> None:
    """A certificate of twelve days is a problem that people see; the timer's unit makes it one of a year, same key."""
    sign = f"openssl x509 -req -copy_extensions copyall -CA {TLS}/ca.crt -CAkey {TLS}/ca.key -in {TLS}/router.csr"
    key = certificate(host, "router")["key"]
    host.check_output(f"{sign} -days 12 -out {TLS}/router.crt")
    status = host.run("sisock status")
    assert status.rc == 1
    assert "router.crt ends on" in status.stderr
    assert "renew it: ./appliance renew_tls SITE" in status.stderr
    router = programs()["router:crossbar"]
    assert host.service("sisock-renew-tls.timer").is_running
    assert host.service("sisock-renew-tls.timer").is_enabled
    host.check_output("systemctl start sisock-renew-tls.service")
    assert host.run(f"openssl x509 -in {TLS}/router.crt -noout -checkend {390 * 86400}").rc == 0
    assert certificate(host, "router")["key"] == key
    until(BACK, lambda: is_shown(host))
    assert programs()["router:crossbar"].pid != router.pid
    until(BACK, lambda: host.run("sisock status").succeeded)
    assert watched.outage() <= OUTAGE
    renewed = certificate(host, "router")
    host.check_output("systemctl start sisock-renew-tls.service")
    assert certificate(host, "router") == renewed


def test_an_authority_that_ends_soon_is_renewed_and_what_it_signed_stays_good(host: Host) -> None:
    """With the same key, so that nobody who trusts it need be told."""
    before, router = certificate(host, "ca"), certificate(host, "router")
    made = (
        f"openssl x509 -req -copy_extensions copyall -signkey {TLS}/ca.key -in {TLS}/ca.csr -days 100 -out {TLS}/ca.crt"
    )
    host.check_output(f"cp {TLS}/ca.crt /run/trusted.crt && {made}")
    host.check_output("systemctl start sisock-renew-tls.service")
    after = certificate(host, "ca")
    assert after["key"] == before["key"]
    assert host.run(f"openssl x509 -in {TLS}/ca.crt -noout -checkend {3600 * 86400}").rc == 0
    assert certificate(host, "router") == router
    for trusted in ("/run/trusted.crt", f"{TLS}/ca.crt"):
        host.check_output(f"openssl verify -x509_strict -CAfile {trusted} {TLS}/router.crt")


def test_every_secret_is_made_anew_and_none_is_told(
    host: Host, bridge: Bridge, live_fields: Fields, programs: Callable[[], dict[str, Program]], watched: Watched
) -> None:
    """Database, router and Grafana know the new ones; of panels nobody saw more than a pause."""
    before = values(host)
    said = done("rotate_secrets", *TALKATIVE)
    outage = watched.outage()
    after = values(host)
    assert {name for name in before if after[name] != before[name]} == set(ACCOUNTS)
    assert not [name for known in (before, after) for name, value in known.items() if value in said]
    assert outage <= OUTAGE
    for account in ("reader", "scanner"):
        asked = f"mariadb --user={account} --batch --skip-column-names --execute='SELECT 1' files"
        assert host.run(f"MYSQL_PWD={before[f'db_{account}']} {asked}").failed
        # A command stands in the host's journal, where no secret in use may be.
        assert host.check_output(f"MYSQL_PWD=$(cat {SECRETS}/db_{account}) {asked}") == "1"
    # The field that was watched is one agent's; the others find the router again at the times of their own retries.
    until(OUTAGE, lambda: serves(programs, bridge, live_fields))
