"""The weather server with data, for the tests that every server passes."""

from pathlib import Path

from services.data_nodes.weather.server import WeatherServer


def example_server(directory: Path) -> WeatherServer:
    """The synthetic set."""
    return WeatherServer({})
