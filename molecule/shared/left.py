"""What a site that was taken off has left on its host."""

from pathlib import Path

from testinfra.host import Host

# What Debian's packages make when they are installed or taken away.
_OF_PACKAGES = (
    *("/etc/alternatives/", "/etc/rc", "/etc/ld.so.cache", "/etc/mysql/", "/var/log/mysql", "mysql"),
    *("/etc/systemd/system/multi-user.target.wants/mariadb.service", "/var/lib/mysql"),
    "/etc/systemd/system/timers.target.wants/logrotate.timer",
    # The clock is kept on.
    *("/etc/chrony/", "/etc/apparmor.d/local/usr.sbin.chronyd", "/etc/systemd/system/chronyd.service", "_chrony"),
    "/etc/systemd/system/multi-user.target.wants/chrony.service",
)


def listed(host: Host) -> str:
    """List the files, folders, accounts and groups of a host, one a line."""
    return str(host.check_output((Path(__file__).parent / "list_files.sh").read_text()))


def left(host: Host, fresh: str) -> set[str]:
    """Return what there is besides what the fresh host had, and what packages bring or make."""
    packaged = host.check_output("cat /var/lib/dpkg/info/*.list /var/lib/dpkg/info/*.conffiles").splitlines()
    found = set(listed(host).splitlines()) - set(fresh.splitlines()) - set(packaged)
    return {path for path in found if not path.startswith(_OF_PACKAGES)}
