"""Builds the package: ``python tests/ansible/grafana/package.py 12.4.0 FOLDER`` prints the path of the .deb."""

import subprocess
import sys
import tempfile
from pathlib import Path

_FILES = {
    "DEBIAN/control": """\
Package: grafana
Version: {version}
Architecture: all
Maintainer: the sisock authors <root@localhost>
Description: stands in for Grafana in tests
""",
    "DEBIAN/postinst": """\
#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
getent group grafana >/dev/null || groupadd --system grafana
getent passwd grafana >/dev/null || useradd --system --gid grafana --no-create-home --shell /bin/false grafana
mkdir -p /var/log/grafana /var/lib/grafana
chown -R grafana:grafana /var/log/grafana /var/lib/grafana
[ -e /etc/grafana/grafana.ini ] || {{ mkdir -p /etc/grafana; echo '# as installed' >/etc/grafana/grafana.ini; }}
mkdir -p /etc/grafana/provisioning/datasources /etc/grafana/provisioning/dashboards
chown -Rh root:grafana /etc/grafana/*
find /etc/grafana -type f -exec chmod 640 {{}} +
find /etc/grafana -type d -exec chmod 755 {{}} +
if [ -n "$2" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; systemctl try-restart grafana-server; fi
""",
    "usr/lib/systemd/system/grafana-server.service": """\
[Unit]
Description=Grafana instance
After=network-online.target
[Service]
User=grafana
Group=grafana
Restart=on-failure
WorkingDirectory=/usr/share/grafana
ExecStart=/usr/share/grafana/bin/grafana server --config=/etc/grafana/grafana.ini --homepath=/usr/share/grafana
UMask=0027
[Install]
WantedBy=multi-user.target
""",
    "usr/share/grafana/conf/defaults.ini": "# of {version}\n",
}


def build(version: str, folder: Path) -> Path:
    """Make the package of a version in a folder."""
    package = folder / f"grafana_{version}_all.deb"
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        root.chmod(0o755)
        for name, text in _FILES.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text.format(version=version))
        (root / "DEBIAN/postinst").chmod(0o755)
        program = root / "usr/share/grafana/bin/grafana"
        program.parent.mkdir()
        program.write_text(Path(__file__).with_name("double.py").read_text(encoding="utf-8"))
        program.chmod(0o755)
        command = ["dpkg-deb", "--build", "--root-owner-group", "-Znone", str(root), str(package)]
        subprocess.run(command, check=True, capture_output=True)
    return package


if __name__ == "__main__":
    sys.stdout.write(f"{build(sys.argv[1], Path(sys.argv[2]))}\n")
