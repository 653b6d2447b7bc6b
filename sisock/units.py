"""Units as Grafana names them, which then scales them and writes their symbols."""

KNOWN = {
    "%": "percent", "percent": "percent", "s": "s", "sec": "s", "ms": "ms", "Hz": "hertz",
    "B": "bytes", "bytes": "bytes", "A": "amp", "V": "volt", "volts": "volt", "W": "watt", "J": "joule", "dBm": "dBm",
    "Ohm": "ohm", "ohm": "ohm", "ohms": "ohm", "Ω": "ohm",
    "C": "celsius", "degC": "celsius", "deg C": "celsius", "°C": "celsius", "F": "fahrenheit", "K": "kelvin",
    "deg": "degree", "degree": "degree", "degrees": "degree", "°": "degree", "rad": "radian",
    "rpm": "rotrpm", "RPM": "rotrpm",
    "Pa": "pressurepa", "hPa": "pressurehpa", "kPa": "pressurekpa", "bar": "pressurebar", "mbar": "pressurembar",
    "mBar": "pressurembar", "psi": "pressurepsi",
    "mm": "lengthmm", "m": "lengthm", "km": "lengthkm", "m/s": "velocityms", "km/h": "velocitykmh",
}  # fmt: skip
"""A test holds it against Grafana's own list."""


def of_grafana(units: str | None) -> str:
    """Grafana's name of a field's units, empty for none; what it does not know, it is told to write behind the value.

    Examples
    --------
    >>> of_grafana("K"), of_grafana("mm PWV"), of_grafana(None)
    ('kelvin', 'suffix: mm PWV', '')
    """
    text = (units or "").strip()
    return KNOWN.get(text, f"suffix: {text}" if text else "")
