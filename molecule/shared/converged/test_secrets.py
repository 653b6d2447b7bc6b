"""Secrets are where their reader finds them, and nowhere else."""

import pytest
from testinfra.host import Host

SECRETS = "/etc/sisock/secrets"
READERS = {
    "wamp_hub": "sisock-hub",
    "wamp_consumer": "sisock-bridge",
    "wamp_server": "sisock-server",
    "db_scanner": "sisock-scanner",
    "db_reader": "sisock-reader",
    "grafana_admin": "grafana",
    "grafana_secret_key": "grafana",
}
# The reader of the archive is a data server, too.
MEMBERS = {"sisock-server": {"sisock-server", "sisock-reader"}}
ACCOUNTS = {
    "ocs",
    "crossbar",
    "nobody",
    "sisock-hub",
    "sisock-bridge",
    "sisock-server",
    "sisock-scanner",
    "sisock-reader",
    "sisock-dashboards",
    "grafana",
}


@pytest.mark.parametrize(("secret", "group"), READERS.items())
def test_a_secret_is_read_by_its_program_alone(host: Host, secret: str, group: str) -> None:
    """Root writes it, one group reads it; every other account is refused."""
    can_read = {each for each in ACCOUNTS if host.run(f"runuser --user={each} -- cat {SECRETS}/{secret}").succeeded}
    assert can_read == MEMBERS.get(group, {group})
    file = host.file(f"{SECRETS}/{secret}")
    assert (file.user, file.group, oct(file.mode)) == ("root", group, "0o640")
    assert len(file.content.strip()) >= 32


def test_every_secret_is_known_here(host: Host) -> None:
    """A new secret is added to this suite with its reader."""
    assert set(host.file(SECRETS).listdir()) == set(READERS)


def test_secrets_differ(host: Host) -> None:
    """Each was made for itself."""
    assert len({host.file(f"{SECRETS}/{secret}").content for secret in READERS}) == len(READERS)


@pytest.mark.parametrize(
    ("path", "owner", "group", "mode"),
    [
        ("/etc/sisock/tls/ca.key", "root", "root", "0o600"),
        ("/etc/sisock/tls/router.key", "root", "crossbar", "0o640"),
        ("/etc/sisock/tls/ca.crt", "root", "root", "0o644"),
        ("/etc/sisock/tls/router.crt", "root", "root", "0o644"),
    ],
)
def test_keys_are_closed_and_certificates_open(host: Host, path: str, owner: str, group: str, mode: str) -> None:
    """Programs verify with the certificate of the authority; nobody but root signs with its key."""
    file = host.file(path)
    assert (file.user, file.group, oct(file.mode)) == (owner, group, mode)


def test_no_secret_is_in_a_file_that_others_read(host: Host) -> None:
    """Whatever nobody can read on the file system holds none of the secrets."""
    readable = (
        "setpriv --reuid=nobody --regid=nogroup --clear-groups "
        "find / -xdev ( -path /proc -o -path /sys ) -prune -o -type f -size -20M -readable -print0 2>/dev/null"
    ).replace("(", r"\(").replace(")", r"\)")  # fmt: skip
    assert int(host.check_output(f"{readable} | tr -dc '\\0' | wc -c")) > 1000
    assert holding_a_secret(host, f"{readable} | xargs -0") == ""


# What an account may read of what is secret, besides what anybody may: its own.
OWN = {
    "crossbar": {"wamp_hub", "wamp_server", "wamp_consumer"},  # in its configuration, which is how it knows them
    "sisock-reader": {"wamp_server", "db_reader"},
    "grafana": {"grafana_admin", "grafana_secret_key"},
    **{f"sisock-{each}": {name} for each, name in (("hub", "wamp_hub"), ("server", "wamp_server"))},
    **{f"sisock-{each}": {name} for each, name in (("bridge", "wamp_consumer"), ("scanner", "db_scanner"))},
}


@pytest.mark.parametrize("account", sorted(ACCOUNTS))
def test_an_account_finds_no_secret_but_its_own_in_any_file(host: Host, account: str) -> None:
    """Whatever it can read where programs and people write: also backups, journals and what was left in /tmp."""
    readable = (
        f"setpriv --reuid={account} --regid=$(id -g {account}) --init-groups "
        "find /etc /home /opt/sisock/servers /root /run /srv /tmp /var -xdev -type f -size -20M -readable -print0"
        " 2>/dev/null"
    )
    others = " ".join(f"{SECRETS}/{secret}" for secret in set(READERS) - OWN.get(account, set()))
    search = f"for secret in {others}; do cat $secret; echo; done | grep ."
    assert int(host.check_output(f"{readable} | tr -dc '\\0' | wc -c")) > 100
    found = f"{readable} | xargs -0 grep --files-with-matches --fixed-strings --file=<({search})"
    assert host.run(f"bash -c '{found}'").stdout == ""


def test_no_private_key_can_be_read_by_others(host: Host) -> None:
    """Anywhere: keys of certificates as well as of SSH; what packages bring as examples is nobody's secret."""
    readable = (
        "setpriv --reuid=nobody --regid=nogroup --clear-groups find / -xdev -path /proc -prune -o -path /usr -prune -o"
        " -path /opt -prune -o -type f -size -100k -readable -print0 2>/dev/null"
    )
    found = f'{readable} | xargs -0 grep --files-with-matches --text --regexp="-----BEGIN [A-Z ]*PRIVATE KEY-----"'
    assert host.run(f"bash -c '{found}'").stdout == ""


def test_nobody_but_root_writes_where_secrets_lie(host: Host) -> None:
    """Neither the folders nor anything in them."""
    places = f"{SECRETS} /etc/sisock/tls /etc/sisock /etc/mysql /etc/supervisor"
    assert host.check_output(f"find {places} ! -type l \\( ! -user root -o -perm /022 \\) -print") == ""


def test_no_secret_is_in_a_log(host: Host) -> None:
    """Neither in the files below /var/log, nor in the journal."""
    assert host.run("find /var/log -type f -size +0").stdout
    assert holding_a_secret(host, "find /var/log -type f -print0 | xargs -0") == ""
    assert counting_a_secret(host, "journalctl --no-pager") == "0"


def test_no_secret_is_shown_by_ps(host: Host) -> None:
    """Neither as an argument, which all may see, nor as a value in an environment."""
    assert counting_a_secret(host, "cat /proc/[0-9]*/cmdline") == "0"
    assert counting_a_secret(host, "cat /proc/[0-9]*/environ") == "0"


def patterns() -> str:
    """A command that prints each secret on a line, so that none stands in an argument."""
    return f"for secret in {SECRETS}/*; do cat $secret; echo; done | grep ."


def holding_a_secret(host: Host, files: str) -> str:
    """Names of the files that hold a secret; `files` is a command that ends in xargs."""
    search = f"{files} grep --files-with-matches --fixed-strings --file=<({patterns()})"
    return str(host.run(f"bash -c '{search}'").stdout.strip())


def counting_a_secret(host: Host, shown: str) -> str:
    """How many lines that a command prints hold a secret."""
    search = f"{shown} 2>/dev/null | grep --text --count --fixed-strings --file=<({patterns()})"
    return str(host.run(f"bash -c '{search}'").stdout.strip())
