"""Units as Grafana names them, which then scales them and writes their symbols."""

KNOWN = {
    "%": "percent", "percent": "percent", "s": "s", "sec": "s", "ms": "ms", "Hz": "hertz",
    "B": "bytes", "bytes": "bytes", "A": "amp", "V": "volt", "volts": "volt", "W": "watt",
    "Ohm": "ohm", "ohm": "ohm", "ohms": "ohm", "Ω": "ohm",
    "C": "celsius", "degC": "celsius", "deg C": "celsius", "°C": "celsius", "K": "kelvin",
    "deg": "degree", "degree": "degree", "degrees": "degree", "°": "degree", "rpm": "rotrpm",
    "Pa": "pressurepa", "hPa": "pressurehpa", "mbar": "pressurembar", "mBar": "pressurembar", "psi": "pressurepsi",
    "m": "lengthm", "mm": "lengthmm", "m/s": "velocityms", "km/h": "velocitykmh",
}  # fmt: skip
"""A test holds it against Grafana's own list."""


def of_grafana(units: str) -> str:
    """Grafana's name of a field's units; what it does not know, it is told to write behind the value."""
    return KNOWN.get(units.strip(), f"suffix:{units.strip()}")
