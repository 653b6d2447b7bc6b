"""One reading of everything that the host can tell about itself."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_KINDS = {"temp": "C", "fan": "RPM", "in": "V", "curr": "A", "power": "W", "energy": "J", "humidity": "%"}
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_INPUT = re.compile(rf"({'|'.join(_KINDS)})\d+_(input|average)")


@dataclass(frozen=True)
class Reading:
    """One value, with its units."""

    value: float
    units: str | None
    description: str


class ChipsUnreadableError(Exception):
    """lm-sensors is not there, or has nothing to say; the sentence says which."""


def read_chips(run: Callable[..., Any] = subprocess.run) -> dict[str, Reading]:
    """Ask lm-sensors: field -> reading, named ``<chip>.<feature>``.

    Raises
    ------
    ChipsUnreadableError
        There is no such program, no chip, or it does not answer.
    """
    # Before 3.5 there is no -j, and what some later ones write of a chip that does not answer is no JSON.
    for option, parse in (("-j", parse_chips), ("-u", parse_listed_chips)):
        try:
            done = run(["sensors", option], capture_output=True, timeout=10, check=False)
        except FileNotFoundError:
            raise ChipsUnreadableError("lm-sensors is not installed") from None
        except (OSError, subprocess.SubprocessError) as error:
            raise ChipsUnreadableError(f"'sensors {option}' failed: {error}") from error
        if readings := parse(done.stdout.decode(errors="replace")):
            return readings
    raise ChipsUnreadableError(f"lm-sensors finds no chips ({done.stderr.decode(errors='replace').strip()[:200]})")


def parse_chips(text: str) -> dict[str, Reading]:
    """Take the readings from the output of ``sensors -j``; what is not understood is passed over."""
    try:
        chips = json.loads(text)
    except ValueError:
        return {}
    return dict(_chip_readings(chips)) if isinstance(chips, dict) else {}


def parse_listed_chips(text: str) -> dict[str, Reading]:
    """Take the readings from the output of ``sensors -u``; what is not understood is passed over."""
    chips: dict[str, dict[str, dict[str, float]]] = {}
    for paragraph in re.split(r"\n\s*\n", text):
        chip, _, rest = paragraph.strip().partition("\n")
        feature = ""
        for line in rest.splitlines():
            key, _, value = line.partition(":")
            if not line.startswith(" "):
                feature = key
            elif feature and _NUMBER.fullmatch(value.strip()):
                chips.setdefault(chip, {}).setdefault(feature, {})[key.strip()] = float(value)
    return dict(_chip_readings(chips))


def _chip_readings(chips: Mapping[str, Any]) -> Iterator[tuple[str, Reading]]:
    for chip, features in chips.items():
        if not isinstance(features, dict):
            continue
        for feature, values in features.items():
            if not isinstance(values, dict):  # "Adapter", a description
                continue
            for key, value in values.items():
                match = _INPUT.fullmatch(key)
                if match and isinstance(value, int | float) and not isinstance(value, bool):
                    name = re.sub(r"[^a-z0-9_.+-]+", "_", f"{chip}.{feature}".lower()).strip("_")
                    yield name, Reading(float(value), _KINDS[match[1]], f"{feature} of chip {chip}")
                    break


def read_kernel(proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> dict[str, Reading]:
    """Load, memory, uptime and thermal zones, as far as this kernel offers them."""
    readings = {}
    for minutes, load in zip((1, 5, 15), _numbers(proc / "loadavg"), strict=False):
        readings[f"load_{minutes}min"] = Reading(load, None, f"Load average over {minutes} min")
    memory = dict(re.findall(r"^(\w+): +(\d+) kB$", _text(proc / "meminfo"), re.MULTILINE))
    for key, name in (("MemTotal", "total"), ("MemAvailable", "available"), ("SwapFree", "swap_free")):
        if key in memory:
            readings[f"memory_{name}"] = Reading(float(memory[key]) / 1024, "MiB", f"Memory, {name.replace('_', ' ')}")
    for uptime in _numbers(proc / "uptime")[:1]:
        readings["uptime"] = Reading(uptime, "s", "Time since the host was started")
    for zone in sorted((sys / "class/thermal").glob("thermal_zone*")):
        for millidegrees in _numbers(zone / "temp")[:1]:
            kind = _text(zone / "type").strip() or "unknown"
            readings[zone.name] = Reading(millidegrees / 1000, "C", f"Thermal zone {kind}")
    return readings


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:  # not every kernel and container has every file, and a zone may be asleep
        return ""


def _numbers(path: Path) -> list[float]:
    """Read the numbers with which the file begins."""
    beginning = re.match(r"(-?\d+(\.\d+)?\s+)*", _text(path).strip() + " ")
    return [float(word) for word in beginning[0].split()] if beginning else []
