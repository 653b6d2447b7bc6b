"""The built page, a miniature site that serves it, and a Chromium that looks at it."""

import fcntl
import shutil
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from miniature_site import ROOT, Site, eventually
from selenium import webdriver

from services.bridge.quicklook.build import SOURCES, build


@pytest.fixture(scope="session")
def built() -> Path:
    """Build the page, its types checked, unless it is there already for the same sources."""
    files = [path for path in sorted(SOURCES.rglob("*")) if path.is_file() and "node_modules" not in path.parts]
    digest = sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()[:12]
    folder = ROOT / ".cache/quicklook" / digest
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Tests may run in several processes.
        if not folder.is_dir():
            for older in folder.parent.glob("*/"):
                shutil.rmtree(older)
            build(folder, check=True)
    return folder


@pytest.fixture(scope="session")
def observatory(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Router, hub and bridge; a laboratory that is computed, and the live feed of an OCS agent."""
    site = Site(tmp_path_factory.mktemp("site"))
    try:
        site.start_router()
        site.start("hub", user="hub")
        agent = {"agent-class": "FakeDataAgent", "instance-id": "fake", "arguments": []}
        agent["arguments"] = [["--mode", "acq"], ["--frame-length", "2"], ["--sample-rate", "5"]]
        site.start_agents([agent])
        site.start("bridge", user="consumer", PORT=site.bridge_port, QUICKLOOK=built)
        site.start("data_nodes.data_feed", name="data_feed")
        lab = [sys.executable, "-P", str(Path(__file__).with_name("laboratory.py"))]
        site.run("lab", lab, site.environ("server") | {"NAME": "lab"})
        eventually("all fields are listed", lambda: {"lab", "data_feed"} <= listed(site), 90)
        yield site
    finally:
        site.stop()


def listed(site: Site) -> set[str]:
    return {field["name"].partition("::")[0] for field in site.http("/api/v1/fields")["fields"]}


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Chromium without a window, which reaches nothing but this machine."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"--user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(profile / "saved")})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()
