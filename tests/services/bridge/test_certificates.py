"""How long the certificates last: in the reports, and as a problem when the end is near."""

import subprocess
import time
from pathlib import Path

import pytest

from services.bridge.certificates import endings


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that lasts 30 days."""
    folder = tmp_path_factory.mktemp("tls")
    command = (
        f"openssl req -x509 -newkey ed25519 -nodes -days 30 -subj /CN=x -keyout {folder}/key -out {folder}/router.crt"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    return folder / "router.crt"


def problem_after(certificate: Path, days: float) -> str | None:
    (found,) = endings([str(certificate)], 21, time.time() + days * 86400)
    problem: str | None = found["problem"]
    return problem


def test_one_that_lasts_is_no_problem(certificate: Path) -> None:
    (found,) = endings([str(certificate)], 21)
    assert found["name"] == "router.crt"
    assert found["ends"] == pytest.approx(time.time() + 30 * 86400, abs=300)
    assert found["problem"] is None


def test_one_that_ends_soon_or_has_ended_is_a_problem_that_says_what_to_do(certificate: Path) -> None:
    assert problem_after(certificate, 8.9) is None
    said = problem_after(certificate, 10)
    assert said is not None
    assert said.endswith("in 20 days; renew it: ./appliance renew_tls SITE")
    assert "router.crt ended on 20" in (problem_after(certificate, 31) or "")


def test_one_that_is_elsewhere_is_left_out_and_one_that_is_none_is_told(tmp_path: Path) -> None:
    broken, folder = tmp_path / "broken.crt", tmp_path / "folder.crt"
    broken.write_text("no certificate")
    folder.mkdir()
    found = endings([str(tmp_path / "none.crt"), str(broken), str(folder)], 21)
    assert [each["ends"] for each in found] == [None, None]
    assert "broken.crt cannot be read (it is no PEM certificate)" in found[0]["problem"]
    assert "folder.crt cannot be read (Is a directory)" in found[1]["problem"]


def test_the_reports_tell(serve, nodes, certificate):
    with serve({"good": nodes.good()}, CERTIFICATES=[str(certificate)], CERTIFICATE_DAYS=40.0) as bridge:
        for path in ("/health/ready", "/api/v1/nodes"):
            (said,) = bridge.ask(path).json["certificates"]
            assert said["name"] == "router.crt"
            assert "renew it" in said["problem"]
