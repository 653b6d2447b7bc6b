"""A site as it is seen through the bridge."""

from collections.abc import Sequence

import pytest

from services.dashboards.instruments import Sorted, sort_out
from services.dashboards.site import Server, Site
from sisock.answers import FieldInfo, NodeState


def field(name: str, units: str | None = None, kind: str = "number", about: str | None = None) -> FieldInfo:
    return FieldInfo(name, kind, units, about, "t")


def node(name: str, joins: Sequence[str] = (), fields: int = 1, online: bool = True) -> NodeState:
    return NodeState(name, f"the {name}", online, fields, 1.7e9, None, tuple(joins))


SITE = Site(
    name="yale",
    servers={
        "data_feed": Server("data_feed", "Live data"),
        "g3_reader": Server("g3_reader", "Archive"),
        "cryostat": Server("data_feed", "One feed", target="LSA22YE"),
        "apex_archive": Server("weather", "Weather of the APEX site"),
        "lab_log": Server("csv_log", "Log of the laboratory"),
        "health": Server("health", "Figures"),
        "sensors": Server("sensors", "Sensors of this machine"),
    },
    agents={"LSA22YE": "Lakeshore372Agent", "LSA240": "Lakeshore240Agent"},
)
LAKESHORE = [f"LSA22YE.feeds.temperatures.Channel {number} T" for number in range(1, 16)]
DIODES = ["LSA240.feeds.temperatures.Channel_1_T", *(f"LSA240.feeds.temperatures.Channel_{n}_V" for n in range(2, 7))]
FIELDS = [
    *(field(f"{server}::observatory.{each}", "V" if each.endswith("V") else "K")
      for server in ("data_feed", "g3_reader", "feeds") for each in LAKESHORE + DIODES),
    field("feeds::observatory.LSA240.feeds.temperatures.state", kind="string"),
    *(field(f"cryostat::Channel {number} T", "K") for number in range(1, 16)),
    field("apex_archive::apex_pressure", "mBar", about="Pressure"),
    field("apex_archive::apex_windspeed", "m/s"),
    field("apex_archive::apex_radiometer", "mm PWV"),
    field("lab_log::helium_level", "%"),
    field('lab_log::a "quoted" $name {of} it\\', ""),
    field("lab_log::open", kind="bool"),
    field("lab_log::remark", kind="string"),
    *(field(f"health::{server}.{what}", about=f"{what} since then: {server}")
      for server in ("data_feed", "sensors") for what in ("answered", "failed", "lag")),
    field("sensors::coretemp.temp1", "C"),
    field("sensors::load", ""),
]  # fmt: skip
NODES = [*(node(name) for name in SITE.servers), node("feeds", joins=("g3_reader", "data_feed"))]


@pytest.fixture
def sights() -> Sorted:
    return sort_out(FIELDS, NODES, SITE)


@pytest.fixture
def site() -> Site:
    return SITE
