"""The radiometer server with data, for the tests that every server passes."""

from pathlib import Path

from services.data_nodes.radiometer.server import RadiometerServer


def example_server(directory: Path) -> RadiometerServer:
    """Two days around a New Year, with values that were not taken."""
    (directory / "PWV").mkdir()
    for name, day in (("2018-365", 365), ("2019-001", 1)):
        lines = (f"{day + i * 0.0007:.4f} {'NaN' if i % 50 == 7 else i % 13 / 10}\n" for i in range(1428))
        (directory / f"PWV/PWV_UCSC_{name}.txt").write_text("# day pwv\n" + "".join(lines), encoding="utf-8")
    return RadiometerServer({"DATA_DIRECTORY": str(directory)})
