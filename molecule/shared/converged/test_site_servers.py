"""The data server of the site's own lies where nobody but root can change it, and serves its file."""

from seen import Bridge
from testinfra.host import Host


def test_its_files_are_roots_and_no_others_are_there(host: Host) -> None:
    """What the inventory names was copied, the tests beside it were not."""
    listed = host.check_output("cd /opt/sisock/servers && stat --format '%U:%G %a %n' . *").splitlines()
    assert listed == ["root:root 755 .", *(f"root:root 644 csv_log.{kind}" for kind in ("csv", "py", "yml"))]


def test_its_fields_are_in_the_bridge(bridge: Bridge) -> None:
    """Under the name that the inventory gives."""
    own = {name for name in bridge.search() if name.startswith("lab_log::")}
    assert own == {"lab_log::cold_plate", "lab_log::helium_level", "lab_log::remark"}
