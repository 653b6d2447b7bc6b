"""Run the data server: `python -m services.data_nodes.weather`."""

from services.data_nodes.weather.server import WeatherServer
from sisock.session import run

if __name__ == "__main__":
    run(WeatherServer)
