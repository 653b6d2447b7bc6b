# ruff: noqa: T201 - a program for the command line, whose answer goes to stdout
"""Fresh Debian hosts for Molecule: systemd is PID 1, reached over SSH, on a private bridge with NAT.

``nspawn_hosts.py possible`` says in one line why hosts can't be made here, if so (exit status 3).
``nspawn_hosts.py up RUN_KEY`` reads ``[{"name": .., "suite": ..}, ..]`` from stdin, makes and starts
the hosts of that run and prints Molecule's instance configuration as JSON. ``nspawn_hosts.py down RUN_KEY`` removes all
that `up` made. ``nspawn_hosts.py keep RUN_KEY NAME`` shuts a host down, keeps its root for hosts that begin converged,
and starts it again. ``nspawn_hosts.py cut RUN_KEY NAME`` kills all its processes at once and starts it again.
``nspawn_hosts.py bare RUN_KEY NAME`` puts a bare host into its place and prints the path of the hosts' keys.
``nspawn_hosts.py kept`` tells by its exit status whether there is a kept root of these sources, of any suite.
``nspawn_hosts.py seed RUN_KEY NAME FOLDER`` gives a host the environments of the kept root, if any, in a folder.

RUN_KEY is the scenario's ephemeral directory, which no two runs share: each run has a bridge, a network, an nftables
table, control groups and a folder below the cache of its own, all named after it. A run that was killed is recognised
by having no living host, or by its ephemeral directory being gone, and is removed by the next `up` of anyone.

The cache is ``$SISOCK_MOLECULE_CACHE``, by default ``~/.cache/sisock-molecule``. A base root is made there once for a
suite (about a minute), and each host is a copy of it; one that is to begin converged is a copy of a kept root, if there
is one that was made of the very sources that lie in the checkout. One that is seeded gets from there what takes longest
to build: the Python environments of the programs, which are the same on every host of these sources.
"""

import errno
import fcntl
import hashlib
import ipaddress
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NotRequired, TypedDict

USER = "astronomer"
POOL = ipaddress.ip_network("10.213.0.0/16")
TOOLS = {
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "nft": "nftables",
    "ssh-keygen": "openssh-client",
    "ip": "iproute2",
}
# No more than SSH and Ansible need: whatever else the appliance uses it must bring itself.
PACKAGES = "ca-certificates,dbus,iproute2,openssh-server,procps,python3,sudo,systemd,systemd-sysv"
LOCAL_CA = Path("/usr/local/share/ca-certificates")
# Settings of the machine's own installers, without which a mirror or a private CA would not be found inside.
CARRIED = (
    "PIP_", "UV_", "NPM_CONFIG_", "NODE_EXTRA_CA_", "SSL_CERT_", "REQUESTS_CA_", "CURL_CA_",
    "http_proxy", "https_proxy", "no_proxy",
)  # fmt: skip
# What images of containers say to apt: it remembers nothing that it has read, and so takes a second more each time.
CONTAINERS_APT = "docker-clean"
BOOT_SECONDS = 120
SHUTDOWN_SECONDS = 90
CHECKOUT = Path(__file__).resolve().parents[2]
# What a converged host is made of, and the folders therein that are none of it.
SOURCES = ("files", "inventories/demo", "molecule/default", "playbooks", "pyproject.toml", "requirements", "roles",
           "services", "sisock")  # fmt: skip
# Environments of a converged host, below the folder in which the kept root has them.
ENVIRONMENTS = ("crossbar/releases", "node/releases", "ocs/releases", "sisock/releases", "uv")
ENVIRONMENTS_FOLDER = "/opt"
LEFT_OUT = {"__pycache__", "node_modules"}
# Every host sees cgroup2 alone, whatever this machine still has beside it: systemd 256 and later run on nothing else.
HOST_ENVIRONMENT = {"UNIFIED_CGROUP_HIERARCHY": "1"}
# systemd-nspawn ends with 133 when the host asked for a reboot and no service manager started it. It must not share
# a control group with another host, because it puts every host into "payload" below its own.
KEEP = """
enter='for group in $HOST_CGROUPS; do echo $$ >"$group/cgroup.procs"; done; exec "$@"'
sh -c "$enter" host "$@"
while [ $? -eq 133 ]; do sh -c "$enter" host "$@"; done
"""


class HostError(Exception):
    """A host could not be made; the sentence says why and what to do."""


class Wanted(TypedDict):
    """A host as a scenario asks for it."""

    name: str
    suite: str
    converged: NotRequired[bool]
    seeded: NotRequired[bool]


class Instance(TypedDict):
    """A host as Molecule wants to know it."""

    instance: str
    address: str
    user: str
    port: str
    identity_file: str


def main(arguments: list[str]) -> int:
    """Do what the command line asks and return the exit status."""
    try:
        match arguments:
            case ["possible"]:
                if reason := obstacle():
                    print(reason)
                    return 3
            case ["up", key]:
                print(json.dumps(up(Run(key), json.load(sys.stdin))))
            case ["down", key]:
                with locked():
                    Run(key).remove()
            case ["keep", key, name]:
                keep(Run(key), name)
            case ["cut", key, name]:
                run = Run(key)
                with locked():
                    run.cut(name)
                    run.boot(name)
                run.wait(name)
            case ["bare", key, name]:
                run = Run(key)
                with locked():
                    run.cut(name)
                    run.wipe(name)
                    run.boot(name)
                run.wait(name)
                print(run.folder / "known_hosts")
            case ["kept"]:
                return 0 if list(cache().glob(f"converged-*-{sources()}")) else 1
            case ["seed", key, name, folder]:
                with locked():
                    seed(Run(key).folder / name, folder)
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except HostError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def obstacle() -> str:
    """Return why hosts can't be made on this machine, or an empty string."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "hosts of systemd-nspawn need Linux and root: run as root, or leave this part out"
    if not cgroup_mounts():
        return "hosts of systemd-nspawn need the cgroup2 file system mounted"
    if not mirror():
        return "APT's sources name no Debian mirror to make a host from: set SISOCK_DEBIAN_MIRROR to the address of one"
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing and not shutil.which("apt-get"):
        return f"hosts of systemd-nspawn need {', '.join(missing)}, and there is no apt-get to install them"
    return ""


def up(run: "Run", wanted: list[Wanted]) -> list[Instance]:
    """Make and start the hosts of a run, and wait until each answers on its SSH port."""
    if reason := obstacle():
        raise HostError(reason)
    with locked():
        install_tools()
        run.remove()
        for other in Run.abandoned():
            other.remove()
        roots = [root_to_begin_from(host) for host in wanted]
        run.make(len(wanted))
        for number, (host, root) in enumerate(zip(wanted, roots, strict=True)):
            run.install(host["name"], run.address(number), root)
            if host.get("seeded"):
                seed(run.folder / host["name"])
            run.boot(host["name"])
    instances = []
    for number, host in enumerate(wanted):
        run.wait(host["name"])
        instances.append(
            Instance(
                instance=host["name"],
                address=str(run.address(number).ip),
                user=USER,
                port="22",
                identity_file=str(run.folder / "id_ed25519"),
            )
        )
    return instances


def keep(run: "Run", name: str) -> None:
    """Keep the root of a host, shut down in order, for those that begin converged; then start the host again."""
    root, digest = run.folder / name, (run.folder / "sources").read_text()
    with locked():
        run.shut_down(name)
        kept = kept_root(suite_of(root))
        # What was changed since the host was made is not in its root.
        if digest == sources() and not kept.exists():
            for older in cache().glob(f"converged-{suite_of(root)}-*"):
                shutil.rmtree(older)
            unfinished = kept.with_suffix(".unfinished")
            call("cp", "--archive", "--reflink=auto", str(root), str(unfinished))
            unfinished.rename(kept)
        run.boot(name)
    run.wait(name)


class Run:
    """What one run of one scenario owns on this machine."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.name = "sm-" + hashlib.sha256(key.encode()).hexdigest()[:8]
        self.folder = cache() / "runs" / self.name
        self.table = self.name.replace("sm-", "sisock_molecule_")

    @classmethod
    def abandoned(cls) -> list["Run"]:
        """Return the runs that nobody can come back to."""
        runs = [cls((folder / "key").read_text()) for folder in cache().glob("runs/*") if (folder / "key").exists()]
        return [run for run in runs if not Path(run.key).is_dir() or not run.keepers()]

    def keepers(self) -> list[int]:
        """Return the processes that keep the run's hosts going, also while a host reboots."""
        pids = [int(file.read_text()) for file in self.folder.glob("*.keeper")]
        commands = {pid: Path(f"/proc/{pid}/cmdline") for pid in pids}
        return [pid for pid, command in commands.items() if command.exists() and self.name in command.read_text()]

    def living(self, name: str = "*") -> list[Path]:
        """Return the control groups of a host, or of all of the run, in which a process lives."""
        return [group for group in self.cgroups(name) if "populated 1" in (group / "cgroup.events").read_text()]

    def cgroups(self, name: str = "*") -> list[Path]:
        """Return the control groups of a host, or of all of the run, in the cgroup2 hierarchy."""
        return [group for mount in cgroup_mounts()[:1] for group in mount.glob(f"{self.name}-{name}")]

    def address(self, number: int) -> ipaddress.IPv4Interface:
        """Return the address of the numbered host; -1 is this machine's own on the bridge."""
        network = ipaddress.IPv4Network((self.folder / "network").read_text())
        return ipaddress.IPv4Interface(f"{network[number + 2]}/{network.prefixlen}")

    def make(self, hosts: int) -> None:
        """Make the run's folder, SSH key, bridge and network translation."""
        self.folder.mkdir(parents=True, mode=0o700)
        (self.folder / "key").write_text(self.key)
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", str(self.folder / "id_ed25519"))
        (self.folder / "sources").write_text(sources())
        (self.folder / "network").write_text(str(free_network(hosts)))
        call("ip", "link", "add", self.name, "type", "bridge")
        call("ip", "address", "add", str(self.address(-1)), "dev", self.name)
        call("ip", "link", "set", self.name, "up")
        rule = f'ip saddr {self.address(-1).network} oifname != "{self.name}" masquerade'
        nat = f"type nat hook postrouting priority srcnat; {rule};"
        call("nft", f"table ip {self.table} {{ chain translate {{ {nat} }}; }}")
        forwarding = Path("/proc/sys/net/ipv4/ip_forward")
        if forwarding.read_text().strip() == "0":
            (cache() / "forwarding-was-off").touch()
            forwarding.write_text("1")

    def install(self, name: str, address: ipaddress.IPv4Interface, origin: Path) -> None:
        """Make the root of a host from another one."""
        root = self.folder / name
        call("cp", "--archive", "--reflink=auto", str(origin), str(root))
        settle(root, name, address, gateway=self.address(-1), public_key=self.folder / "id_ed25519.pub")
        host_key = (root / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
        with (self.folder / "known_hosts").open("a") as known_hosts:
            known_hosts.write(f"{address.ip} {host_key}")
        (self.folder / f"{name}.address").write_text(str(address.ip))

    def boot(self, name: str) -> None:
        """Start a host."""
        root = self.folder / name
        groups = [mount / f"{self.name}-{name}" for mount in cgroup_mounts()]
        for group in groups:
            group.mkdir(exist_ok=True)
        command = [
            *("systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--console=pipe"),
            *(f"--directory={root}", f"--machine={self.name}-{name}", f"--hostname={name}"),
            *(f"--network-bridge={self.name}", "--resolv-conf=off", "--timezone=off"),
        ]
        with (self.folder / f"{name}.console").open("ab") as console:
            keeper = subprocess.Popen(
                ["sh", "-c", KEEP, "keep", *command],
                env={**os.environ, "HOST_CGROUPS": " ".join(map(str, groups)), **HOST_ENVIRONMENT},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        (self.folder / f"{name}.keeper").write_text(str(keeper.pid))

    def shut_down(self, name: str) -> None:
        """Let a host end in order."""
        keeper = (self.folder / f"{name}.keeper").read_text()
        nspawn = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
        os.kill(int(nspawn[0]), signal.SIGTERM)
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        while self.living(name):
            if time.monotonic() > deadline:
                raise HostError(f"host {name} did not end in {SHUTDOWN_SECONDS} s; see {self.folder}/{name}.console")
            time.sleep(0.2)

    def cut(self, name: str = "*") -> None:
        """Kill every process of a host, or of all of them, at once."""
        for group in self.cgroups(name):
            (group / "cgroup.kill").write_text("1")
        deadline = time.monotonic() + 20
        while living := self.living(name):
            if time.monotonic() > deadline:
                raise HostError(f"processes of {self.name} did not end when killed: see {living[0]}/cgroup.procs")
            time.sleep(0.1)
        # The kernel takes the host's network interface away in its own time; one that is started again needs the name.
        link = ["ip", "link", "delete", f"vb-{self.name}-{name}"]
        if shutil.which("ip"):
            subprocess.run(link, stderr=subprocess.DEVNULL, check=False)

    def wipe(self, name: str) -> None:
        """Put a bare root in the place of a host's, under the same name and address."""
        root, address = self.folder / name, (self.folder / f"{name}.address").read_text()
        base = base_root(suite_of(root))
        shutil.rmtree(root)
        self.install(name, ipaddress.IPv4Interface(f"{address}/{self.address(-1).network.prefixlen}"), base)

    def wait(self, name: str) -> None:
        """Wait until a host's SSH server answers."""
        address = (self.folder / f"{name}.address").read_text()
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline:
            try:
                with socket.create_connection((address, 22), timeout=2) as connection:
                    if connection.recv(4) == b"SSH-":
                        return
            except OSError:
                time.sleep(0.5)
        console = (self.folder / f"{name}.console").read_text(errors="replace")[-2000:]
        raise HostError(f"host {name} did not answer on port 22 within {BOOT_SECONDS} s; its console ends:\n{console}")

    def remove(self) -> None:
        """Stop the hosts and remove everything the run made; what is already gone is passed over."""
        for keeper in self.keepers():
            os.kill(keeper, signal.SIGKILL)
        self.cut()
        for mount in cgroup_mounts():
            for group in mount.glob(f"{self.name}-*"):
                for folder in [*sorted((g for g in group.rglob("*") if g.is_dir()), reverse=True), group]:
                    remove_group(folder)
        for command in (["nft", "delete", "table", "ip", self.table], ["ip", "link", "delete", self.name]):
            # Molecule begins by removing; where a tool is not installed yet, nothing was made with it.
            if shutil.which(command[0]):
                subprocess.run(command, stderr=subprocess.DEVNULL, check=False)
        for folder in (self.folder, *Path("/run/systemd/nspawn/propagate").glob(f"{self.name}-*")):
            if folder.exists():
                shutil.rmtree(folder)
        mark = cache() / "forwarding-was-off"
        if mark.exists() and not list(cache().glob("runs/*")):
            Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
            mark.unlink()


def remove_group(group: Path) -> None:
    """Remove a control group whose processes were killed; the kernel calls it busy until it has buried them."""
    deadline = time.monotonic() + 20
    while True:
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise HostError(f"{group} cannot be removed: {error}; see its cgroup.procs") from error
            time.sleep(0.1)
        else:
            return


def base_root(suite: str) -> Path:
    """Return the base root of a suite, made by debootstrap when the cache has none for this machine's settings."""
    authorities = sorted(LOCAL_CA.rglob("*.crt")) if LOCAL_CA.is_dir() else []
    recipe = hashlib.sha256(f"{suite} {mirror()} {PACKAGES} {USER}".encode())
    for authority in authorities:
        recipe.update(authority.read_bytes())
    base = cache() / f"base-{suite}-{recipe.hexdigest()[:8]}"
    if base.exists():
        return base
    print(f"making a base root of {suite} from {mirror()} in {base} (once)", file=sys.stderr)
    for older in cache().glob(f"base-{suite}-*"):
        shutil.rmtree(older)
    unfinished = base.with_suffix(".unfinished")
    call("debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(unfinished), mirror())
    for authority in authorities:
        target = unfinished / authority.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(authority, target)
    inside = ("chroot", str(unfinished))
    call(*inside, "update-ca-certificates")
    call(*inside, "systemctl", "enable", "systemd-networkd", "ssh")
    call(*inside, "useradd", "--create-home", "--shell=/bin/bash", USER)
    (unfinished / f"etc/sudoers.d/{USER}").write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
    call(*inside, "apt-get", "clean")
    unfinished.rename(base)
    return base


def root_to_begin_from(host: Wanted) -> Path:
    """Return the kept root that a host asks for, or the base root of its suite."""
    kept = kept_root(host["suite"])
    return kept if host.get("converged") and kept.exists() else base_root(host["suite"])


def kept_root(suite: str) -> Path:
    """Return where the root is, or would be, of a converged host of the very sources that lie in the checkout."""
    return cache() / f"converged-{suite}-{sources()}"


def seed(root: Path, folder: str = ENVIRONMENTS_FOLDER) -> None:
    """Give a host the environments of the kept root, if there is one, in a folder."""
    kept = kept_root(suite_of(root)) / ENVIRONMENTS_FOLDER[1:]
    for environment in ENVIRONMENTS:
        source, target = kept / environment, root / folder[1:] / environment
        if source.exists() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            call("cp", "--archive", "--reflink=auto", str(source), str(target))
            if folder != ENVIRONMENTS_FOLDER:
                move(target, folder)


def move(environments: Path, folder: str) -> None:
    """Tell the programs of environments in which folder they lie now."""
    for settings in environments.rglob("pyvenv.cfg"):
        for path in [settings, *(settings.parent / "bin").iterdir()]:
            if not path.is_symlink() and not (text := path.read_bytes()).startswith(b"\x7fELF"):
                path.write_bytes(text.replace(f"{ENVIRONMENTS_FOLDER}/".encode(), f"{folder}/".encode()))


def sources() -> str:
    """Digest what a converged host is made of."""
    digest = hashlib.sha256(mirror().encode())
    for source in SOURCES:
        for path in sorted([CHECKOUT / source, *(CHECKOUT / source).rglob("*")]):
            if path.is_file() and not LEFT_OUT & set(path.parts):
                digest.update(f"{path.relative_to(CHECKOUT)} {hashlib.sha256(path.read_bytes()).hexdigest()}".encode())
    return digest.hexdigest()[:12]


def suite_of(root: Path) -> str:
    """Return the suite that a root was made of."""
    return next(line.split()[2] for line in (root / "etc/apt/sources.list").read_text().splitlines() if line)


def settle(
    root: Path, name: str, address: ipaddress.IPv4Interface, gateway: ipaddress.IPv4Interface, public_key: Path
) -> None:
    """Give a copy of a root its identity, its network and the machine's installer settings."""
    etc = root / "etc"
    (etc / "hostname").write_text(f"{name}\n")
    (etc / "hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n")
    (etc / "machine-id").write_text(uuid.uuid4().hex + "\n")
    network = f"[Match]\nName=host0\n[Network]\nAddress={address}\nGateway={gateway.ip}\nLinkLocalAddressing=no\n"
    (etc / "systemd/network/10-host0.network").write_text(network)
    # The stub of systemd-resolved listens on this machine's loopback, where a host can't reach it.
    resolver = Path("/run/systemd/resolve/resolv.conf")
    (etc / "resolv.conf").unlink(missing_ok=True)
    shutil.copy(resolver if resolver.exists() else "/etc/resolv.conf", etc / "resolv.conf")
    for old_key in (etc / "ssh").glob("ssh_host_*"):
        old_key.unlink()
    call("ssh-keygen", "-q", "-A", "-f", str(root))
    ssh_folder = root / "home" / USER / ".ssh"
    ssh_folder.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(public_key, ssh_folder / "authorized_keys")
    call("chroot", str(root), "chown", "--recursive", f"{USER}:", f"/home/{USER}/.ssh")
    for folder in (Path("/etc/apt/apt.conf.d"), Path("/etc/apt/auth.conf.d"), Path("/etc/apt/trusted.gpg.d")):
        for file in folder.glob("*"):
            if file.name != CONTAINERS_APT and not (root / file.relative_to("/")).exists():
                shutil.copy(file, root / file.relative_to("/"))
    (etc / "apt/apt.conf.d/90small").write_text('APT::Keep-Downloaded-Packages "false";\n')
    if Path("/etc/pip.conf").exists():
        shutil.copy("/etc/pip.conf", etc / "pip.conf")
    if Path("/etc/npmrc").exists():
        shutil.copy("/etc/npmrc", etc / "npmrc")
    suite = suite_of(root)
    packages = [f"deb {mirror()} {suite} main", f"deb {mirror()} {suite}-updates main"]
    if mirror("-security"):
        packages.append(f"deb {mirror('-security')} {suite}-security main")
    (etc / "apt/sources.list").write_text("\n".join(packages) + "\n")
    with (etc / "environment").open("w") as environment:
        for variable, value in os.environ.items():
            # A folder of this machine means nothing inside.
            known_inside = not value.startswith("/") or (root / value.lstrip("/")).exists()
            if variable.lower().startswith(tuple(prefix.lower() for prefix in CARRIED)) and known_inside:
                environment.write(f'{variable}="{value}"\n')


def mirror(kind: str = "") -> str:
    """Return the address of the machine's Debian mirror, or of that of the security updates; empty when it has none."""
    sources = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    words = [word for source in sources if source.is_file() for word in source.read_text().split()]
    found = [
        word.rstrip("/") for word in words if word.startswith("http") and word.rstrip("/").endswith(f"debian{kind}")
    ]
    given = os.environ.get("SISOCK_DEBIAN_MIRROR", "").rstrip("/")
    usable = [f"{given}{kind}"] * bool(given) + [address for address in found if "snapshot" not in address]
    return usable[0] if usable else ""


def free_network(hosts: int) -> ipaddress.IPv4Network:
    """Return a network of the pool that no route of this machine reaches."""
    routes = json.loads(call("ip", "-json", "-4", "route", "show", "table", "all"))
    taken = [ipaddress.ip_network(route["dst"]) for route in routes if route["dst"][0].isdigit()]
    for network in POOL.subnets(new_prefix=24):
        if not any(network.overlaps(other) for other in taken) and hosts < network.num_addresses - 3:
            return ipaddress.IPv4Network(network)
    raise HostError(f"every network of {POOL} is in use: remove what is left with `molecule destroy --all`")


def cgroup_mounts() -> list[Path]:
    """Return where control groups are kept: cgroup2, then, on a machine with both generations, systemd's own."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    unified = [Path(mount[1]) for mount in mounts if mount[2] == "cgroup2"][:1]
    named = [Path(mount[1]) for mount in mounts if mount[2] == "cgroup" and "name=systemd" in mount[3].split(",")][:1]
    return unified + named if unified else []


def install_tools() -> None:
    """Install what makes hosts, where it is missing."""
    missing = [package for tool, package in TOOLS.items() if not shutil.which(tool)]
    if missing:
        print(f"installing {' '.join(missing)}", file=sys.stderr)
        call("apt-get", "update", "--quiet")
        call("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *missing)


def call(*command: str) -> str:
    """Run a command and return what it printed; a failure becomes a sentence with the command's own words."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
    )
    if done.returncode:
        raise HostError(f"`{' '.join(command)}` failed with status {done.returncode}:\n{done.stdout[-2000:]}")
    return done.stdout


def cache() -> Path:
    """Return the folder of base roots and runs."""
    return Path(os.environ.get("SISOCK_MOLECULE_CACHE") or Path.home() / ".cache/sisock-molecule")


@contextmanager
def locked() -> Iterator[None]:
    """Hold the cache, so that two runs do not make the same base root or take the same network."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
