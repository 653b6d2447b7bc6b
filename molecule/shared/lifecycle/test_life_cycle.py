"""What becomes of a host in years, each step on what the one before has left."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from left import left, listed
from plays import PROJECT, changes, done, play, said
from seen import Bridge, Points, Program, until
from testinfra.host import Host

pytestmark = pytest.mark.timeout(2400)

EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
BARE = EPHEMERAL / "bare.files"
BACK = 60.0
"""Seconds after which a host that could not be upgraded, or is taken back, shows fresh data of its former release."""
ARCHIVE_BACK = 120.0
"""Seconds until the index is that of the former release, and has what was recorded since."""
LOG = "/var/log/sisock/sisock-hub.log"
PLANTED = "a password that a program has logged"
_MIGRATION = '''
"""What the tables of a later release have besides."""

from alembic import op

revision = "9001"
down_revision = "{last}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE IF NOT EXISTS later (n INT)")
'''

_MADE_BY_A_PERSON = """
import json, pathlib
database = pathlib.Path("/var/lib/grafana/grafana.db")
database.write_text(json.dumps(json.loads(database.read_text()) | {"mine": "kept"}))
"""

Fields = Callable[[set[str]], dict[str, str]]
Ask = Callable[[], dict[str, Program]]


def checkout(version: str, **changes: str) -> Path:
    """Make a checkout of another version; `changes` are files of `services`, dots for slashes."""
    folder = EPHEMERAL / f"checkout-{version}"
    shutil.rmtree(folder, ignore_errors=True)
    left_out = shutil.ignore_patterns(".venv", ".cache", ".git", "__pycache__", ".*_cache", "node_modules", ".ansible")
    shutil.copytree(PROJECT, folder, symlinks=True, ignore=left_out)
    project = folder / "pyproject.toml"
    project.write_text(re.sub(r'(?m)^version = ".*"$', f'version = "{version}"', project.read_text(), count=1))
    for name, text in changes.items():
        (folder / "services" / f"{name.replace('.', '/')}.py").write_text(text)
    return folder


def release(host: Host) -> str:
    """Name the release that the host runs."""
    return host.check_output("readlink /opt/sisock/current").rpartition("/")[2]


def sql(host: Host, statement: str) -> str:
    """Ask the index."""
    return host.check_output("mariadb --batch --skip-column-names --execute=%s files", statement)


def flows(host: Host, version: str, bridge: Bridge, live_fields: Fields) -> bool:
    """Whether the release is of this version, and every live field is fresh."""
    if not release(host).startswith(f"{version}-"):
        return False
    fields = live_fields(bridge.search())
    return bool(fields) and not bridge.stale(fields)


def went_back(host: Host, bridge: Bridge, fields: Iterable[str]) -> float:
    """Wait until the host finds that it must go back; return the seconds from then until the fields are fresh again."""
    follow = "timeout 1800 tail --lines=0 --follow=name --retry /var/log/sisock/upgrade.log"
    line = host.check_output(f"{follow} | grep --max-count=1 'going back'")
    until(ARCHIVE_BACK, lambda: not bridge.stale(fields))
    return float(host.check_output("date +%s.%N")) - datetime.fromisoformat(line.split()[0]).timestamp()


def serves(host: Host, version: str, bridge: Bridge, programs: Ask, live_fields: Fields) -> bool:
    """Whether data flow, every program runs, and the archive is there."""
    if {each.state for each in programs().values()} != {"RUNNING"} or not flows(host, version, bridge, live_fields):
        return False
    return any(name.startswith("g3_reader::") for name in bridge.search())


def archived(bridge: Bridge, end: float = 0.0) -> dict[str, Points]:
    """Return all that the archive has, up to a moment."""
    names = [name for name in bridge.search() if name.startswith("g3_reader::")]
    return {name: points for name, points in bridge.query(names, 1, end)[1].items() if points}


@pytest.fixture(scope="module")
def version() -> str:
    """The version of this checkout."""
    found = re.search(r'(?m)^version = "(.*)"$', (PROJECT / "pyproject.toml").read_text())
    assert found
    return found[1]


def test_an_upgrade_keeps_what_live_servers_hold(
    host: Host, bridge: Bridge, programs: Ask, live_fields: Fields, version: str
) -> None:
    """The new release runs beside the old one, which was backed up; the oldest live sample is still the oldest."""
    until(ARCHIVE_BACK, partial(serves, host, version, bridge, programs, live_fields))
    fields = live_fields(bridge.search())
    oldest = {name: points[0] for name, points in bridge.query(fields, -3000, 0)[1].items()}
    former = release(host)

    done("upgrade", checkout=checkout("90.0.1"))

    until(BACK, partial(serves, host, "90.0.1", bridge, programs, live_fields))
    assert {name: points[0] for name, points in bridge.query(fields, -3000, 0)[1].items()} == oldest
    assert host.file(f"/opt/sisock/releases/{former}/complete").exists
    assert host.check_output("sisock-backup check")
    assert f"sisock:{former}" in host.check_output("sisock-release list")
    assert not host.file("/var/lib/sisock-release/pending").exists


def test_a_failing_upgrade_ends_on_the_former_release(
    host: Host, bridge: Bridge, programs: Ask, live_fields: Fields, record_property: Callable[[str, object], None]
) -> None:
    """A bridge that does not start, and changed tables: nobody lends a hand, and data flow within a minute."""
    schema = sql(host, "SELECT version_num FROM alembic_version").strip()
    files = int(sql(host, "SELECT COUNT(*) FROM files"))
    broken = checkout("90.0.2", **{
        "bridge.__main__": "raise SystemExit('this release is broken')\n",
        "g3_index.migrations.versions.9001_later": _MIGRATION.format(last=schema),
    })  # fmt: skip

    fields = live_fields(bridge.search())
    with ThreadPoolExecutor() as beside:
        watched = beside.submit(went_back, host, bridge, fields)
        result = play("upgrade", checkout=broken)

    assert result.returncode != 0
    assert "sisock:bridge" in said(result) or "the bridge" in said(result), said(result)[-3000:]
    took = watched.result()
    record_property("seconds from the failed check to fresh data", took)
    assert took <= BACK
    until(ARCHIVE_BACK, partial(serves, host, "90.0.1", bridge, programs, live_fields))

    def the_index_is_back() -> bool:
        return sql(host, "SELECT version_num FROM alembic_version").strip() == schema

    until(ARCHIVE_BACK, the_index_is_back)
    assert "later" not in sql(host, "SHOW TABLES").split()
    until(ARCHIVE_BACK, lambda: int(sql(host, "SELECT COUNT(*) FROM files")) >= files)
    until(BACK, lambda: not host.file("/var/lib/sisock-release/pending").exists)


def test_one_goes_back_by_hand_to_the_release_before(
    host: Host, bridge: Bridge, programs: Ask, live_fields: Fields, version: str
) -> None:
    """`rollback` after an upgrade that had succeeded; a second time there is nothing to go back to."""
    done("rollback")
    until(BACK, partial(serves, host, version, bridge, programs, live_fields))
    again = play("rollback")
    assert again.returncode != 0
    assert "there is no former release to go back to" in said(again)


def test_a_support_bundle_holds_no_secret(host: Host) -> None:
    """Secrets that were planted in logs and settings are masked, and what a helper needs is there."""
    folder = "/etc/sisock/secrets"
    secrets = {name: host.file(f"{folder}/{name}").content_string.strip() for name in host.file(folder).listdir()}
    for name in secrets:
        host.check_output(f'echo "asked with $(cat {folder}/{name}), base64 $(base64 -w0 {folder}/{name})" >>{LOG}')
    host.check_output(f"echo \"password='{PLANTED}'\" >>{LOG}")
    done("support_bundle", "--extra-vars", f"support_dir={EPHEMERAL}/support")
    with tarfile.open(EPHEMERAL / "support/observatory.tar.gz") as archive:
        texts = {
            name: file.read().decode() for name in archive.getnames() if (file := archive.extractfile(name)) is not None
        }
    everything = "\n".join(texts.values())
    assert PLANTED not in everything
    assert [name for name, secret in secrets.items() if secret in everything] == []
    assert "PRIVATE KEY-----" not in everything
    assert "asked with (masked)" in texts[f"observatory/files{LOG}"]
    assert "RUNNING" in texts["observatory/commands/programs.txt"]
    assert "data_feed" in texts["observatory/commands/sisock.txt"]


def identity(host: Host) -> dict[str, Any]:
    """Tell who a host is: accounts with their numbers, secrets, authority, and what people made in Grafana."""
    accounts = [line.split(":") for line in host.check_output("cat /etc/passwd /etc/group").splitlines()]
    ours = re.compile(r"ocs|crossbar|grafana|sisock-.*")
    grafana = json.loads(host.file("/var/lib/grafana/grafana.db").content_string)
    folders = "/etc/sisock/secrets /etc/sisock/tls"
    files = host.check_output(f"find {folders} -type f -exec stat --format '%n %U %G %a' {{}} +").splitlines()
    return {
        "accounts": sorted((each[0], *each[2:4]) for each in accounts if ours.fullmatch(each[0])),
        "files": sorted(files),
        "contents": {each.split()[0]: sha256(host.file(each.split()[0]).content).hexdigest() for each in files},
        "grafana": grafana,
    }


def test_a_bare_host_becomes_what_was_backed_up(
    host: Host, bridge: Bridge, programs: Ask, live_fields: Fields, version: str
) -> None:
    """Back up, lose the host, restore: the same accounts, secrets and dashboards, the same answers to queries."""
    host.check_output("python3 -c %s", _MADE_BY_A_PERSON)
    until(ARCHIVE_BACK, lambda: bool(archived(bridge)))
    kept = ("--extra-vars", f"backup_controller_dir={EPHEMERAL}/backups")
    done("backup", *kept)
    end = min(points[-1][0] for points in archived(bridge).values())
    answers, who = archived(bridge, end), identity(host)

    done("molecule/shared/wipe")
    BARE.write_text(listed(host))
    assert not host.file("/opt/sisock").exists
    refused = play("restore", *kept)
    assert refused.returncode != 0
    assert "recorded files that the index knows are not on observatory" in said(refused)
    assert not host.user("sisock-hub").exists
    done("molecule/shared/mount")
    done("molecule/shared/seed")
    done("restore", *kept)

    until(ARCHIVE_BACK, partial(serves, host, version, bridge, programs, live_fields))
    assert identity(host) == who
    assert archived(bridge, end) == answers
    files = host.check_output("sisock-archive list --csv").splitlines()[1:]
    assert {line.split(",")[1] for line in files} <= {"new", "partial", "done"}
    assert not host.file("/var/lib/sisock-restored").exists


def test_a_backup_of_a_later_release_is_refused(tmp_path: Path) -> None:
    """Before anything is changed, as the programs of this one would not know its tables."""
    (made,) = (EPHEMERAL / "backups").iterdir()
    later = shutil.copytree(made, tmp_path / made.name)
    before = (later / "manifest.json").read_bytes()
    manifest = re.sub(rb'"schema": "\d+"', b'"schema": "9999"', before)
    (later / "manifest.json").write_bytes(manifest)
    sums = (later / "SHA256SUMS").read_text().replace(sha256(before).hexdigest(), sha256(manifest).hexdigest())
    (later / "SHA256SUMS").write_text(sums)
    refused = play("restore", "--extra-vars", f"backup_controller_dir={tmp_path}")
    assert refused.returncode != 0
    assert "has schema 9999, which this checkout does not know" in said(refused)


def test_a_site_that_is_taken_off_whole_leaves_nothing(host: Host) -> None:
    """With all that people recorded and made: what is left is what Debian's packages make."""
    all_of_it = {f"remove_{what}": True for what in ("data", "database", "dashboards", "backups")}

    done("remove", "--extra-vars", json.dumps(all_of_it))

    assert left(host, BARE.read_text()) == {"/root/data.tar"}


def test_the_site_of_the_manual_is_migrated_from_docker(site: dict[str, Any], bridge: Bridge, version: str) -> None:
    """Its compose file and OCS configuration become an inventory that converges, and changes nothing a second time."""
    folder = checkout(version)
    done("molecule/shared/seed")
    subprocess.run(
        [sys.executable, "-m", "migrate", "tests/migrate/manual", "yale", "--address", site["ansible_host"]],
        cwd=folder, check=True,
    )  # fmt: skip
    # What the vendor's package would be, and how Molecule reaches the host, are nothing of the site's.
    more = {name: site[name] for name in ("ansible_ssh_common_args", "ansible_private_key_file", "ansible_user")}
    more["grafana_package"] = str(next(EPHEMERAL.glob("grafana_*.deb")))
    yale = {"checkout": folder, "inventory": folder / "inventories/yale"}
    done("site", "--extra-vars", json.dumps(more), **yale)
    assert changes("site", "--extra-vars", json.dumps(more), **yale) == []
    assert changes("site", "--check", "--extra-vars", json.dumps(more), **yale) == []
    assert bridge.query(["apex_archive::apex_radiometer"], 1, 0)[1]["apex_archive::apex_radiometer"]
