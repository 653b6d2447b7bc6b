"""Units, as people write them, by Grafana's names for them."""

_KNOWN = {
    "": "",
    "K": "kelvin", "C": "celsius", "°C": "celsius", "degC": "celsius", "deg C": "celsius", "F": "fahrenheit",
    "%": "percent", "mBar": "pressurembar", "mbar": "pressurembar", "bar": "pressurebar", "Pa": "pressurepa",
    "hPa": "pressurehpa", "kPa": "pressurekpa", "psi": "pressurepsi", "m/s": "velocityms", "km/h": "velocitykmh",
    "deg": "degree", "degrees": "degree", "°": "degree", "rad": "radian", "V": "volt", "A": "amp", "W": "watt",
    "J": "joule", "Hz": "hertz", "Ohm": "ohm", "ohm": "ohm", "Ω": "ohm", "RPM": "rotrpm", "rpm": "rotrpm",
    "s": "s", "ms": "ms", "B": "bytes", "mm": "lengthmm", "m": "lengthm", "km": "lengthkm", "dBm": "dBm",
}  # fmt: skip


def grafana_unit(units: str | None) -> str:
    """Grafana's name of a unit; one that it has no name for is written behind the value as it is.

    Examples
    --------
    >>> grafana_unit("K"), grafana_unit("mm PWV"), grafana_unit(None)
    ('kelvin', 'suffix: mm PWV', '')
    """
    text = (units or "").strip()
    return _KNOWN.get(text, f"suffix: {text}")
