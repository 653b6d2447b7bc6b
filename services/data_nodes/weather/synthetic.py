"""Two weeks of weather that never were: the same on every host, and of the same shape as those of the APEX site."""

import numpy as np

from services.data_nodes.weather.header import Header
from sisock.thinning import Stamps, Values

FIRST, LAST = 1_499_990_400.0, 1_501_200_000.0
"""UNIX seconds: 2017-07-14 00:00 UTC, and 2017-07-28 00:00 UTC, which is no longer in it."""

_DAY = 86400.0


def synthetic_weather() -> dict[str, tuple[Header, Stamps, Values]]:
    """Make the set: field -> what its file would say, and its samples: UNIX seconds and values, shape (n,)."""
    # RandomState, because its stream is promised never to change, unlike that of numpy's newer generators.
    chance = np.random.RandomState(20170714)
    hourly, minutely = np.arange(FIRST, LAST, 3600.0), np.arange(FIRST, LAST, 60.0)

    def wander(t: Stamps, noise: float) -> Values:
        """Make a slow walk between about -1 and 1, with white noise."""
        waves = [
            chance.uniform(0.5, 1) * np.sin(2 * np.pi * ((t - FIRST) / (_DAY * period) + chance.uniform()))
            for period in (0.35, 1.3, 3.1, 7.7)
        ]
        walk: Values = np.sum(waves, axis=0) / 2.5 + chance.normal(0, noise, t.size)
        return walk

    def day(t: Stamps) -> Values:
        """From -1 before dawn to 1 in the afternoon; the site is almost five hours behind UTC."""
        return np.sin(2 * np.pi * (t / _DAY - 0.56))

    def field(description: str, timeline: str, units: str, t: Stamps, values: Values) -> tuple[Header, Stamps, Values]:
        return Header(description, timeline, units), t, np.round(values, 3)

    return {
        "apex_humidity": field(
            "APEX weather station, relative humidity (synthetic)", "hourly", "%", hourly,
            np.clip(20 - 5 * day(hourly) + 9 * wander(hourly, 0.1), 5, 40)),
        "apex_pressure": field(
            "APEX weather station, pressure (synthetic)", "hourly", "mBar", hourly,
            556 + 0.5 * np.sin(4 * np.pi * hourly / _DAY) + 1.2 * wander(hourly, 0.05)),
        "apex_temperature": field(
            "APEX weather station, temperature (synthetic)", "hourly", "C", hourly,
            np.clip(-2.5 + 4 * day(hourly) + 2.5 * wander(hourly, 0.1), -10, 5)),
        "apex_radiometer": field(
            "APEX radiometer, precipitable water vapour (synthetic)", "minutely", "mm PWV", minutely,
            np.clip(1.1 * np.exp(0.6 * wander(minutely, 0.03)), 0.3, 3)),
        "apex_windspeed": field(
            "APEX weather station, wind speed (synthetic)", "minutely", "km/h", minutely,
            np.clip(22 + 12 * day(minutely) + 14 * wander(minutely, 0.15), 0, 60)),
    }  # fmt: skip
