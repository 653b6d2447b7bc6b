"""Run the data server: `python -m services.data_nodes.apex_weather`."""

from services.data_nodes.apex_weather.server import ApexWeatherServer
from sisock.session import run

if __name__ == "__main__":
    run(ApexWeatherServer)
