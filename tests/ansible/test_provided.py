"""What a site brings of its own, decrypted from Ansible Vault, is used and shown nowhere; what is wrong is refused."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from playbooks.filter_plugins.provided import certificate_problems, secret_problems

ROOT = Path(__file__).parents[2]
ROLES = str(ROOT / "roles")
SECRET = "aVerySecretSecretOfTheSite"

Play = Callable[..., subprocess.CompletedProcess[str]]


def openssl(command: str) -> None:
    subprocess.run(["openssl", *command.split()], check=True, capture_output=True)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Two authorities, a certificate that the first has signed, and one that has ended."""
    folder = tmp_path_factory.mktemp("pem")
    for name in ("ca", "other"):
        openssl(
            f"req -x509 -newkey ed25519 -nodes -days 9 -subj /CN={name} -out {folder}/{name}.crt"
            f" -keyout {folder}/{name}.key"
        )
    openssl(f"req -newkey ed25519 -nodes -subj /CN=r -keyout {folder}/router.key -out {folder}/router.csr")
    sign = f"x509 -req -in {folder}/router.csr -CA {folder}/ca.crt -CAkey {folder}/ca.key -set_serial 1"
    openssl(f"{sign} -days 9 -out {folder}/router.crt")
    openssl(f"{sign} -days -1 -out {folder}/ended.crt")
    openssl(f"pkey -in {folder}/ca.key -aes256 -passout pass:xxxx -out {folder}/locked.key")
    return {path.name: path.read_text() for path in folder.glob("*.[ck][re][ty]")}


def test_a_whole_set_is_taken(pem: dict[str, str]) -> None:
    assert certificate_problems({}) == []
    assert certificate_problems({name: pem[name] for name in ("ca.crt", "ca.key")}) == []
    assert certificate_problems({name: pem[name] for name in ("ca.crt", "router.crt", "router.key")}) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ca.crt": "ca.crt"}, "tls_provided has ca.crt; give ca.crt and ca.key"),
        ({"ca.crt": "ca.crt", "router.key": "router.key"}, "tls_provided has ca.crt, router.key; give"),
        ({"ca.crt": "ca.crt", "ca.key": "other.key"}, "ca.key is not the key of ca.crt"),
        ({"ca.crt": "ca.crt", "ca.key": "locked.key"}, "ca.key is no PEM that could be read, or needs a passphrase"),
        ({"ca.crt": "ca.key", "ca.key": "ca.key"}, "ca.crt is no PEM"),
        ({"ca.crt": "other.crt", "router.crt": "router.crt", "router.key": "router.key"}, "was not signed by ca.crt"),
        ({"ca.crt": "ca.crt", "router.crt": "ended.crt", "router.key": "router.key"}, "router.crt ended on 20"),
    ],
)
def test_what_does_not_fit_together_is_refused(pem: dict[str, str], given: dict[str, str], said: str) -> None:
    (problem,) = certificate_problems({name: pem[file] for name, file in given.items()})
    assert said in problem
    assert "BEGIN" not in problem


@pytest.mark.parametrize("given", [["x"], "x", {"ca.crt": 1}])
def test_another_shape_is_refused(given: object) -> None:
    assert certificate_problems(given)
    assert secret_problems(given, ROLES)


def test_a_secret_that_no_program_has_is_refused_with_the_nearest() -> None:
    assert secret_problems({"wamp_server": SECRET, "grafana_admin": SECRET, "db_reader": SECRET}, ROLES) == []
    (problem,) = secret_problems({"wamp_sever": SECRET}, ROLES)
    assert "did you mean 'wamp_server'?" in problem


@pytest.mark.parametrize("value", ["short", f" {SECRET}", f"{SECRET}\n", "a\tb" * 9, 12345678901234567890, None])
def test_a_secret_that_would_not_work_or_not_last_is_refused_and_not_quoted(value: object) -> None:
    (problem,) = secret_problems({"wamp_hub": value}, ROLES)
    assert "wamp_hub must be a text of 16 printable characters at least" in problem
    assert str(value) not in problem


@pytest.fixture
def vaulted(tmp_path: Path) -> Path:
    """An inventory whose secret is encrypted, and its password in a file."""
    (tmp_path / "password").write_text("of the vault")
    vault = [str(ROOT / ".venv/bin/ansible-vault"), "encrypt_string", f"--vault-password-file={tmp_path}/password"]
    made = subprocess.run([*vault, "--name=wamp_server", SECRET], capture_output=True, text=True, check=True)
    text = "\n".join(f"  {line}" for line in made.stdout.splitlines())
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/all.yml").write_text(f"secrets_provided:\n{text}\n")
    (tmp_path / "hosts.yml").write_text("all: {hosts: {here: {ansible_connection: local}}}\n")
    return tmp_path


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given to root")
def test_a_vaulted_secret_wins_and_no_output_shows_it(ansible_playbook: Play, vaulted: Path) -> None:
    """Neither the longest output nor --diff."""
    secrets = vaulted / "secrets"
    secrets.mkdir()
    (secrets / "wamp_server").write_text("generated before the inventory had one")
    declared = [{"name": name, "group": "root"} for name in ("wamp_server", "wamp_hub")]
    variables: dict[str, object] = {
        "site_secrets_dir": str(secrets),
        "secrets_declared": declared,
        "ansible_become": False,
    }
    # What role site, which knows the other hosts, would say.
    variables |= {"site_router": "here", "site_database": "here"}
    variables["site_account_hosts"] = {each: [] for each in ("hub", "consumer", "server", "scanner", "reader")}
    play = vaulted / "play.yml"
    play.write_text("[{name: Secrets, hosts: all, gather_facts: false, roles: [secrets]}]\n")
    password = f"--vault-password-file={vaulted}/password"
    for changed in (True, False):
        done = ansible_playbook(
            "-i", vaulted / "hosts.yml", play, password, "-vvv", "--diff", "-e", json.dumps(variables)
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert ("changed=0" not in done.stdout) == changed
        assert (secrets / "wamp_server").read_text() == SECRET
        made = (secrets / "wamp_hub").read_text()
        assert len(made) == 48
        assert not [value for value in (SECRET, made) if value in done.stdout + done.stderr]
    assert {oct(path.stat().st_mode)[-3:] for path in secrets.iterdir()} == {"640"}
