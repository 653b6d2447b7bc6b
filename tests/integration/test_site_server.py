"""A data server of the site's own, started from a folder as supervisor does, has its data in the bridge."""

import shutil
import sys
from pathlib import Path

import pytest
from miniature_site import ROOT, Site, eventually

pytestmark = pytest.mark.integration
SERVERS = ROOT / "inventories/demo/servers"


def test_its_data_are_in_the_bridge_under_the_name_that_the_inventory_gives(site: Site, tmp_path: Path) -> None:
    for part in ("py", "yml", "csv"):
        shutil.copy(SERVERS / f"csv_log.{part}", tmp_path)
    # Python must not take it for the package of that name.
    (tmp_path / "yaml.py").write_text("raise SystemExit('this is no YAML')")
    site.start("bridge", user="consumer", PORT=site.bridge_port)
    command = [sys.executable, "-P", str(tmp_path / "csv_log.py")]
    site.run("lab_log", command, site.environ("server") | {"NAME": "lab_log", "MAX_POINTS": "40"})
    names = eventually("it is listed", lambda: site.http("/search", {"target": "lab_log::"}), 60)
    assert names == ["lab_log::cold_plate", "lab_log::helium_level", "lab_log::remark"]
    (series,) = site.query("lab_log::helium_level", start=1772400000, end=1773700000)
    values = [value for value, _ in series["datapoints"]]
    assert 20 < len(values) <= 40
    assert (min(values), max(values)) == (62.8, 73.6)
