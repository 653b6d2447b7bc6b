"""What the firewall lets in follows from SSH and the inventory; its dead-man's switch brings back what was in force."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from playbooks.filter_plugins import firewall
from tests.ansible.scratch_host import ScratchHost, impossible

ROOT = Path(__file__).parents[2]
Play = Callable[..., subprocess.CompletedProcess[str]]
SWITCH = ROOT / "roles/firewall/files/sisock-firewall-switch"


SSHD = "port 22\nlistenaddress 0.0.0.0:2222\nlistenaddress [::]:2222\npermitrootlogin no\n"


@pytest.mark.parametrize(
    ("sshd", "connection", "ports"),
    [
        (SSHD, "10.0.0.7 51000 10.0.0.5 2222", [2222]),
        # Somebody has changed sshd's configuration and not restarted it: both ports are needed.
        (SSHD, "10.0.0.7 51000 10.0.0.5 22", [22, 2222]),
        ("", "fd00::7 51000 fd00::5 2200", [2200]),
        ("listenaddress 10.0.0.5:22\nlistenaddress 10.0.0.5:8022\n", "", [22, 8022]),
        ("", "", []),
    ],
)
def test_the_ports_of_ssh_are_those_in_use(sshd: str, connection: str, ports: list[int]) -> None:
    assert firewall.ssh_ports(sshd, connection) == ports


ADDED = """Added user rules (see 'ufw status' for running firewall):
ufw allow 22/tcp
ufw limit 2222/tcp
ufw allow OpenSSH
ufw deny 8080/tcp
ufw allow 8090/tcp comment 'sisock: SSH'
ufw allow from 10.0.0.0/24 to any port 8080 proto tcp comment 'sisock: site'
ufw allow from 10.9.9.9 to any port 8080 proto tcp comment 'sisock: site'
ufw allow from fd00::1 to any port 8080 proto tcp comment 'of the institute'
"""


def test_only_what_is_missing_is_added_and_only_what_is_ours_goes() -> None:
    doors = [{"port": 8080, "from": ["10.0.0.5/24", "10.1.2.3/32", "fd00:0::1"]}]
    changes = firewall.firewall_changes(ADDED, [22, 2222], doors)
    assert [(rule["port"], rule["from"]) for rule in changes["missing"]] == [(8080, "10.1.2.3")]
    assert [(rule["port"], rule["from"]) for rule in changes["stale"]] == [(8090, ""), (8080, "10.9.9.9")]


def test_on_a_host_without_rules_ssh_comes_first() -> None:
    changes = firewall.firewall_changes("", [2222], [{"port": 8080, "from": ["10.0.0.5"]}])
    assert [rule["comment"] for rule in changes["missing"]] == ["sisock: SSH", "sisock: site"]
    assert changes["stale"] == []


def test_doors_within_the_site_are_for_the_addresses_of_its_hosts() -> None:
    openings = [{"port": 8080, "hosts": ["b", "c"]}]
    addresses = {"a": "10.0.0.1", "b": "10.0.0.2", "c": "fd00::3"}
    assert firewall.doors_within(openings, addresses) == [{"port": 8080, "from": ["10.0.0.2", "fd00::3"]}]


@pytest.mark.parametrize(
    ("doors", "said"),
    [
        ("8080", "firewall_open is no list"),
        ([8080], "firewall_open[0]: a door has port and from, and nothing else."),
        ([{"port": 8080}], "a door has port and from"),
        ([{"port": 70000, "from": ["10.0.0.1"]}], "70000 is no port"),
        ([{"port": 8080, "from": "10.0.0.1"}], "from must be a list"),
        ([{"port": 8080, "from": []}], "from must be a list"),
        ([{"port": 8080, "from": ["monitor"]}], "'monitor' is no address"),
        ([{"port": 8080, "from": ["0.0.0.0/0"]}], "'0.0.0.0/0' is everybody; name those who may come."),
        ([{"port": 8080, "from": ["::/0"]}], "'::/0' is everybody"),
    ],
)
def test_a_door_that_cannot_be_is_refused(doors: Any, said: str) -> None:
    problems = firewall.door_problems(doors, "firewall_open")
    assert any(said in problem for problem in problems), problems


def test_ports_that_will_be_closed_are_named_with_who_listens() -> None:
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    row = "   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 {uid} 0 1 1 0\n"
    tcp = head + "".join(
        row.format(address=address, state=state, uid=uid)
        for address, state, uid in [
            ("00000000:0050", "0A", 33),  # any address, port 80
            ("0100007F:0CEA", "0A", 101),  # 127.0.0.1
            ("0500000A:08AE", "0A", 0),  # 2222 stays open
            ("0500000A:1F90", "01", 0),  # a connection
        ]
    )
    tcp6 = head + row.format(address="00000000000000000000000001000000:1F91", state="0A", uid=0)
    tcp6 += row.format(address="00000000000000000000000000000000:1F92", state="0A", uid=5)
    passwd = "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/false\n"
    assert firewall.closed_ports([tcp, tcp6, passwd], [2222]) == ["80 (www-data)", "8082 (number 5)"]
    assert firewall.door_problems([{"port": 8080, "from": ["10.0.0.0/8", "fd00::1"]}], "firewall_open") == []


# Stands in for ufw: it says what was asked of it, and keeps the one fact that matters to the switch.
UFW = """#!/bin/sh
echo "$@" >>/tmp/shared/asked
case "$*" in *disable) now=no ;; *enable) now=yes ;; esac
sed -i "s/^ENABLED=.*/ENABLED=$now/" /etc/ufw/ufw.conf
"""
STATE = "cat /etc/ufw/ufw.conf /etc/ufw/user.rules /etc/default/ufw"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> ScratchHost:
    if reason := impossible():
        pytest.skip(reason)
    host = ScratchHost(tmp_path_factory.mktemp("firewall"))
    shutil.copy(SWITCH, host.shared / "switch")
    (host.shared / "switch").chmod(0o755)
    (host.shared / "ufw").write_text(UFW)
    host.do(
        """rm -rf /etc/ufw /etc/default/ufw
        mkdir -p /etc/ufw
        install -m 0755 /tmp/shared/ufw /usr/sbin/ufw
        echo 'ENABLED=no' >/etc/ufw/ufw.conf
        echo 'the rules of before' >/etc/ufw/user.rules
        echo 'the policy of before' >/etc/default/ufw"""
    )
    return host


@pytest.fixture
def host(prepared: ScratchHost, tmp_path: Path) -> ScratchHost:
    return prepared.copy(tmp_path)


CHANGE = "ufw --force enable; echo new >/etc/ufw/user.rules; echo new >/etc/default/ufw"
AWAIT = """i=0
until ! [ -e /var/lib/sisock-firewall/before ] && ! [ -e /var/lib/sisock-firewall/before.back ]; do
  sleep 0.1; i=$((i+1)); [ $i -lt 300 ]
done"""


def test_without_a_word_what_was_in_force_comes_back(host: ScratchHost) -> None:
    done = host.do(f"/tmp/shared/switch arm 1; {CHANGE}\n{AWAIT}\n{STATE}")
    assert done.splitlines() == ["ENABLED=no", "the rules of before", "the policy of before"]
    assert (host.shared / "asked").read_text().splitlines() == ["--force enable", "--force disable"]


def test_a_firewall_that_was_on_is_on_again_with_its_own_rules(host: ScratchHost) -> None:
    done = host.do(f"ufw --force enable; /tmp/shared/switch arm 1; {CHANGE}\n{AWAIT}\n{STATE}")
    assert done.splitlines() == ["ENABLED=yes", "the rules of before", "the policy of before"]


def test_what_is_cancelled_stays(host: ScratchHost) -> None:
    done = host.do(
        f"""/tmp/shared/switch arm 1; {CHANGE}
        clock=$(cat /run/sisock-firewall-switch.pid)
        /tmp/shared/switch cancel
        i=0; while kill -0 "$clock" 2>/dev/null; do sleep 0.1; i=$((i+1)); [ $i -lt 100 ]; done
        /tmp/shared/switch revert; {STATE}"""
    )
    assert done.splitlines() == ["ENABLED=yes", "new", "new"]


def test_to_cancel_too_late_fails(host: ScratchHost) -> None:
    done = host.run(f"/tmp/shared/switch arm 1; {CHANGE}\n{AWAIT}\n/tmp/shared/switch cancel")
    assert done.returncode == 1
    assert done.stderr.strip() == "It is too late: the rules of before are in force again."


def test_a_change_that_took_too_long_is_not_gone_on_with(host: ScratchHost) -> None:
    """What is in force has come back, so that the next step of the change would shut everybody out."""
    done = host.run(f"/tmp/shared/switch arm 1; {CHANGE}\n{AWAIT}\n/tmp/shared/switch extend 60")
    assert done.returncode == 1
    assert done.stderr.strip() == "It is too late: the rules of before are in force again."


def test_the_clock_counts_anew(host: ScratchHost) -> None:
    done = host.do(f"/tmp/shared/switch arm 600; {CHANGE}; /tmp/shared/switch extend 1\n{AWAIT}\n{STATE}")
    assert done.splitlines() == ["ENABLED=no", "the rules of before", "the policy of before"]


def test_a_way_back_that_was_broken_off_is_ended_before_the_next_change(host: ScratchHost) -> None:
    """Else what was confirmed later would be undone by it, at some start of the host."""
    folder = "/var/lib/sisock-firewall"
    done = host.do(
        f"""/tmp/shared/switch arm 600; {CHANGE}; mv {folder}/before {folder}/before.back
        /tmp/shared/switch arm 600; {STATE}; {CHANGE}; /tmp/shared/switch cancel; {STATE}; ls {folder}"""
    )
    before = ["ENABLED=no", "the rules of before", "the policy of before"]
    assert done.splitlines() == [*before, "ENABLED=yes", "new", "new"]


def test_what_an_interrupted_run_has_left_is_not_what_comes_back(host: ScratchHost) -> None:
    """The rules of the first run were never known to be good; those before it are brought back."""
    done = host.do(f"/tmp/shared/switch arm 600; {CHANGE}; /tmp/shared/switch arm 1\n{AWAIT}\n{STATE}")
    assert done.splitlines() == ["ENABLED=no", "the rules of before", "the policy of before"]


@pytest.mark.parametrize("where", ["before", "before.back"])
def test_a_host_that_lost_its_power_meanwhile_has_what_was_in_force(host: ScratchHost, where: str) -> None:
    """Its clock is gone, also where it was at its work: what it would have done is done at the next start."""
    folder = "/var/lib/sisock-firewall"
    done = host.do(
        f"""/tmp/shared/switch arm 600; {CHANGE}
        kill -s KILL -- "-$(cat /run/sisock-firewall-switch.pid)"; rm /run/sisock-firewall-switch.pid
        [ {where} = before ] || mv {folder}/before {folder}/{where}
        /tmp/shared/switch revert; {STATE}; ls {folder}"""
    )
    assert done.splitlines() == ["ENABLED=no", "the rules of before", "the policy of before"]


def test_it_says_what_it_can_do() -> None:
    said = subprocess.run(["sh", str(SWITCH), "help"], capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert "arm SECONDS" in said.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="the playbook wants root, although it only looks")
def test_validation_refuses_a_door_for_everybody(ansible_playbook: Play, tmp_path: Path) -> None:
    site = Path(shutil.copytree(ROOT / "inventories/demo", tmp_path / "site"))
    said = ansible_playbook(
        *("-i", site, ROOT / "playbooks/validate.yml", "-e", "ansible_become=false"),
        *("-e", '{"site_ports": [], "site_release": "Debian 12", "firewall_enabled": true}'),
        *("-e", '{"firewall_open": [{"port": 8080, "from": ["0.0.0.0/0"]}]}'),
    ).stdout
    assert "firewall_open[0]: '0.0.0.0/0' is everybody" in said.replace("''", "'")
    assert "changed=0" in said
