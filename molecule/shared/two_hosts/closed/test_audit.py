"""What an auditor finds has an answer."""

import re
from pathlib import Path

from testinfra.host import Host

ANSWERS = Path(__file__).parents[4] / "docs/hardening.md"


def test_every_finding_of_lynis_is_answered(observatory: Host) -> None:
    """Warnings and suggestions alike, in docs/hardening.md."""
    install = "DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends lynis"
    observatory.check_output(f"command -v lynis || {install}")
    observatory.run("lynis audit system --quick --quiet --no-colors")
    report = observatory.file("/var/log/lynis-report.dat").content_string
    found = set(re.findall(r"^(?:warning|suggestion)\[\]=([A-Z]+(?:-\d+)?)\|", report, re.MULTILINE))
    answered = {
        test
        for row in re.findall(r"^\| ([A-Z][^|]*) \|", ANSWERS.read_text(encoding="utf-8"), re.MULTILINE)
        for test in row.split(", ")
    }
    assert found
    assert found <= answered, found - answered
