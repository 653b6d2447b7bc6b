"""Reading lm-sensors and the kernel, in whatever state they are."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.data_nodes.sensors.measuring import (
    ChipsUnreadableError,
    Reading,
    parse_chips,
    parse_listed_chips,
    read_chips,
    read_kernel,
)

OUTPUT = json.dumps({
    "coretemp-isa-0000": {"Adapter": "ISA adapter", "Package id 0": {"temp1_input": 52.0, "temp1_max": 100.0},
                          "Core 0": {"temp2_input": 50.0, "temp2_crit_alarm": 0.0}},
    "nct6775-isa-0290": {"Adapter": "ISA adapter", "fan1": {"fan1_input": 812.0, "fan1_min": 0.0},
                         "Vcore": {"in0_input": 0.9}, "intrusion0": {"intrusion0_alarm": 1.0}},
    "acpi-0": {"Adapter": "ACPI", "power1": {"power1_average": 35.5}, "broken": {"temp9_input": None}},
})  # fmt: skip


def test_each_input_of_each_chip_is_a_field_with_units() -> None:
    readings = parse_chips(OUTPUT)
    assert {name: (reading.value, reading.units) for name, reading in readings.items()} == {
        "coretemp-isa-0000.package_id_0": (52.0, "C"), "coretemp-isa-0000.core_0": (50.0, "C"),
        "nct6775-isa-0290.fan1": (812.0, "RPM"), "nct6775-isa-0290.vcore": (0.9, "V"),
        "acpi-0.power1": (35.5, "W"),
    }  # fmt: skip
    assert readings["coretemp-isa-0000.core_0"].description == "Core 0 of chip coretemp-isa-0000"


LISTED = """coretemp-isa-0000
Adapter: ISA adapter
Package id 0:
  temp1_input: 52.000
  temp1_max: 100.000
Core 0:
ERROR: Can't get value of subfeature temp2_input: I/O error
  temp2_crit_alarm: 0.000

nct6775-isa-0290
Adapter: ISA adapter
fan1:
  fan1_input: 812.000
Vcore:
  in0_input: 0.900

"""


def test_a_version_without_json_is_understood_as_well() -> None:
    def run(command: list[str], **_: object) -> SimpleNamespace:
        return SimpleNamespace(stdout=LISTED.encode() if "-u" in command else b"", stderr=b"Unknown option")

    assert {name: (reading.value, reading.units) for name, reading in read_chips(run).items()} == {
        "coretemp-isa-0000.package_id_0": (52.0, "C"),
        "nct6775-isa-0290.fan1": (812.0, "RPM"),
        "nct6775-isa-0290.vcore": (0.9, "V"),
    }


@given(st.one_of(st.text(), st.text(alphabet="ab:_1 .\n").map("chip\nf:\n".__add__)))
def test_no_list_raises(text: str) -> None:
    assert all(isinstance(reading, Reading) for reading in parse_listed_chips(text).values())


@given(st.one_of(st.text(), st.recursive(
    st.none() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "temp1_input"]), inner),
    max_leaves=12).map(json.dumps)))  # fmt: skip
def test_no_output_raises(text: str) -> None:
    assert all(isinstance(reading, Reading) for reading in parse_chips(text).values())


def answering(stdout: bytes = b"", stderr: bytes = b"", error: Exception | None = None) -> Any:
    def run(*_: object, **__: object) -> SimpleNamespace:
        if error:
            raise error
        return SimpleNamespace(stdout=stdout, stderr=stderr)

    return run


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (answering(error=FileNotFoundError()), "lm-sensors is not installed"),
        (answering(b"{\n}\n", b"No sensors found!\n"), r"lm-sensors finds no chips \(No sensors found!\)"),
        (answering(error=subprocess.TimeoutExpired("sensors", 10)), "timed out after 10 seconds"),
    ],
)
def test_what_keeps_the_chips_from_being_read_is_said(run: Any, sentence: str) -> None:
    with pytest.raises(ChipsUnreadableError, match=sentence):
        read_chips(run)


def test_the_kernel_tells_load_memory_uptime_and_zones(tmp_path: Path) -> None:
    (tmp_path / "loadavg").write_text("0.05 0.15 0.18 2/89 17492\n", encoding="ascii")
    (tmp_path / "meminfo").write_text(
        "MemTotal: 2048 kB\nMemAvailable: 1024 kB\nHugePages_Total: 0\n", encoding="ascii"
    )
    (tmp_path / "uptime").write_text("1482.33 2615.13\n", encoding="ascii")
    for zone, temperature in (("thermal_zone0", "41500"), ("thermal_zone1", ""), ("thermal_zone2", "N/A")):
        (tmp_path / "class/thermal" / zone).mkdir(parents=True)
        (tmp_path / "class/thermal" / zone / "type").write_text("x86_pkg_temp\n", encoding="ascii")
        (tmp_path / "class/thermal" / zone / "temp").write_text(temperature, encoding="ascii")
    readings = read_kernel(tmp_path, tmp_path)
    assert {name: (reading.value, reading.units) for name, reading in readings.items()} == {
        "load_1min": (0.05, None), "load_5min": (0.15, None), "load_15min": (0.18, None),
        "memory_total": (2.0, "MiB"), "memory_available": (1.0, "MiB"), "uptime": (1482.33, "s"),
        "thermal_zone0": (41.5, "C"),
    }  # fmt: skip


def test_a_kernel_without_any_of_them_is_no_error(tmp_path: Path) -> None:
    assert read_kernel(tmp_path, tmp_path) == {}


def test_this_host_tells_its_load() -> None:
    assert read_kernel()["load_1min"].value >= 0
