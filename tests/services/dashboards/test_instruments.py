"""Fields come together by instrument, each once."""

from services.dashboards.instruments import Sorted, natural, sort_out
from services.dashboards.site import Site
from tests.services.dashboards.conftest import FIELDS, LAKESHORE, NODES, SITE, field, node


def named(sights: Sorted) -> dict[str, list[list[str]]]:
    """Instrument -> labels of its plots."""
    return {
        each.name: [[channel.label for channel in group.channels] for group in each.groups]
        for each in sights.instruments
    }


def test_fifteen_channels_make_two_plots_of_eight_and_seven_in_the_order_of_people(sights: Sorted) -> None:
    first, second = named(sights)["LSA22YE"]
    assert first == [f"Channel {number} T" for number in range(1, 9)]
    assert second == [f"Channel {number} T" for number in range(9, 16)]
    assert [group.title for group in sights.instruments[0].groups] == ["temperatures, K", "temperatures, K (2)"]


def test_channels_of_another_unit_have_a_plot_of_their_own(sights: Sorted) -> None:
    assert named(sights)["LSA240"] == [["Channel_1_T"], [f"Channel_{number}_V" for number in range(2, 7)]]


def test_a_feed_that_is_recorded_live_and_joined_is_one_instrument_under_its_joined_name(sights: Sorted) -> None:
    names = [channel.name for group in sights.instruments[0].groups for channel in group.channels]
    assert sorted(names) == sorted(f"feeds::observatory.{each}" for each in LAKESHORE)


def test_one_feed_of_an_agent_under_a_name_of_its_own_is_no_other_instrument(sights: Sorted) -> None:
    assert list(named(sights)) == ["LSA22YE", "LSA240", "lab_log"]


def test_without_a_joined_name_a_field_is_the_recorded_one_and_else_the_live_one() -> None:
    fields = [each for each in FIELDS if not each.name.startswith("feeds::")]
    fields.append(field("data_feed::observatory.LSA22YE.feeds.temperatures.new", "K"))
    channels = {
        channel.label: channel.name
        for group in sort_out(fields, NODES[:-1], SITE).instruments[0].groups
        for channel in group.channels
    }
    assert channels["Channel 1 T"] == "g3_reader::observatory.LSA22YE.feeds.temperatures.Channel 1 T"
    assert channels["new"] == "data_feed::observatory.LSA22YE.feeds.temperatures.new"


def test_one_feed_alone_is_an_instrument_named_as_its_server() -> None:
    site = Site(servers={"cryostat": SITE.servers["cryostat"]})
    fields = [each for each in FIELDS if each.name.startswith("cryostat::")]
    assert list(named(sort_out(fields, [node("cryostat")], site))) == ["cryostat"]


def test_a_server_that_the_inventory_does_not_know_is_an_instrument_with_its_own_description() -> None:
    (tried,) = sort_out([field("tried::a"), field("tried::b", "V")], [node("tried")], SITE).instruments
    assert (tried.kind, tried.name, tried.description) == ("server", "tried", "the tried")
    assert len(tried.groups) == 2


def test_weather_figures_and_the_machine_are_told_apart_by_the_types_of_the_inventory(sights: Sorted) -> None:
    assert [each.name for each in sights.weather] == ["apex_archive"]
    assert [each.name for each in sights.figures] == ["health"]
    assert [each.name for each in sights.machine] == ["sensors"]
    assert sights.archive == "feeds"


def test_text_is_not_drawn(sights: Sorted) -> None:
    drawn = {label for plots in named(sights).values() for plot in plots for label in plot}
    assert not drawn & {"state", "remark"}
    assert "open" in drawn


def test_names_are_sorted_as_people_do_whatever_they_hold() -> None:
    assert natural(["c10", "c2", "c", "10", "9", "", "c²"]) == ["", "9", "10", "c", "c2", "c10", "c²"]
