"""A host to put things onto: this machine's files, but what is changed is changed in a folder, and the net is its own.

Each command runs in namespaces of its own, with this machine's root below an overlay; when it ends, all that it started
ends, and nothing stays mounted. There is no systemd, and nobody else to talk to.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Over Mitogen a task takes less than half of the processor's time. That Ansible would rather have no such plugins is no
# matter of the site's.
MITOGEN = {
    "ANSIBLE_STRATEGY": "mitogen_linear",
    "ANSIBLE_STRATEGY_PLUGINS": str(ROOT / "tests/ansible/strategy"),
    "ANSIBLE_DEPRECATION_WARNINGS": "false",
}

_ENTER = """
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/changed,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs tmpfs "$1/root/run"
mount -t tmpfs tmpfs "$1/root/tmp"
mkdir "$1/root/tmp/shared" && chmod 1777 "$1/root/tmp" && mount --bind "$1/shared" "$1/root/tmp/shared"
if [ "$(stat -c %d "$2")" != "$(stat -c %d /)" ] || ! [ -e "$1/root$2" ]; then
  mkdir -p "$1/root$2"
  mount --bind "$2" "$1/root$2"
fi
ip link set lo up
cd "$1/root$2"
exec chroot "$1/root" /bin/sh -ec "$3"
"""


class ScratchHost:
    """The host. `shared` is a folder that it sees as /tmp/shared, and `changed` what it has changed so far."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("changed", "work", "root", "shared"):
            (folder / name).mkdir(exist_ok=True)
        self.shared, self.changed = folder / "shared", folder / "changed"
        # Here images of containers say that apt shall remember nothing that it has read: a second of each task.
        settings = self.changed / "etc/apt/apt.conf.d"
        settings.mkdir(parents=True, exist_ok=True)
        (settings / "docker-clean").touch()

    def run(self, script: str, within: float = 300) -> subprocess.CompletedProcess[str]:
        """Run a shell script as root, and return what became of it; the first command that fails ends it."""
        command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "/bin/sh", "-ec", _ENTER, "sh",
                   str(self._folder), str(ROOT), f"cd {ROOT}\n{script}"]  # fmt: skip
        environ = {
            "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "HOME": "/root",
            **MITOGEN,
        }
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=within, check=False)

    def copy(self, folder: Path) -> "ScratchHost":
        """Make another host that is as this one is now."""
        subprocess.run(["cp", "--archive", str(self.changed), str(self.shared), str(folder)], check=True)
        return ScratchHost(folder)

    def do(self, script: str) -> str:
        """Run a script that must not fail; return what it prints."""
        done = self.run(script)
        assert done.returncode == 0, f"{script}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
        return done.stdout


def impossible() -> str:
    """Why this machine can have no such host; empty when it can."""
    if os.geteuid() != 0:
        return "it takes root"
    with tempfile.TemporaryDirectory() as folder:
        tried = ScratchHost(Path(folder)).run("true")
    return tried.stderr.strip().rpartition("\n")[2] if tried.returncode else ""
