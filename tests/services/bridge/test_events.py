"""What happened, as the bridge noted it or finds it."""

from types import SimpleNamespace

import pytest
from twisted.internet.defer import fail, succeed

from services.bridge.events import Event, Events
from services.bridge.streams import Missing, Stream
from sisock.errors import RouterAbsent

FIELD = {"description": None, "timeline": "t", "type": "number", "units": None}


class Hub:
    """A consumer of which only the list of data servers matters."""

    def __init__(self, *online):
        self.online = online
        self.on_nodes_changed = None
        self.heard = 0

    def nodes(self, deadline=1.0):
        if self.online is None:
            return fail(RouterAbsent())
        return succeed([{"name": name, "description": ""} for name in self.online])

    def say(self, *online):
        self.online = online
        self.on_nodes_changed()


class Fields:
    """A planner whose fields hold what they hold, whatever the range."""

    def __init__(self, **samples):
        self.samples = {name.replace("__", "::"): each for name, each in samples.items()}
        self.away = False

    def remembered(self):
        return frozenset(self.samples)

    def query(self, wanted, window, started):
        if self.away:
            return fail(RouterAbsent())
        return succeed(
            {
                each: Stream(FIELD, *self.samples[each.name], 1.0) if self.samples.get(each.name) else Missing("gone")
                for each in wanted
            }
        )


@pytest.fixture
def site():
    hub, fields, clock = Hub("weather", "sensors"), Fields(), SimpleNamespace(t=1000.0)
    events = Events(hub, fields, lambda: clock.t, SimpleNamespace(seconds=lambda: 0.0))
    hub.on_nodes_changed()

    def between(start, end, match=""):
        results = []
        events.between(start, end, match).addBoth(results.append)
        return results[0]

    return SimpleNamespace(hub=hub, fields=fields, clock=clock, between=between)


def test_who_is_online_when_the_bridge_starts_is_no_event(site):
    assert site.between(0, 2000) == []


def test_a_server_that_goes_is_an_event_that_ends_when_it_is_back(site):
    site.clock.t = 1100.0
    site.hub.say("sensors")
    (gone,) = site.between(0, 2000)
    assert (gone.start, gone.end, gone.title, gone.tags) == (1100.0, None, "weather is gone", ("server", "weather"))
    assert site.between(1500, 2000) == [gone], "it is gone still"
    assert site.between(0, 1100) == []
    site.clock.t = 1160.0
    site.hub.say("sensors", "weather")
    (back,) = site.between(0, 2000)
    assert back == Event(1100.0, 1160.0, "weather was gone", "the data server weather was away for 60 s", gone.tags)
    assert site.between(1150, 1155) == [back]
    assert site.between(1161, 2000) == []


def test_a_server_that_nobody_knew_is_an_event_of_one_moment(site):
    site.clock.t = 1200.0
    site.hub.say("sensors", "weather", "radiometer")
    (come,) = site.between(1200, 1201)
    assert (come.title, come.end) == ("radiometer has come", None)
    assert site.between(1201, 2000) == []


def test_while_the_hub_is_away_nobody_has_gone(site):
    site.hub.online = None
    site.hub.on_nodes_changed()
    assert site.between(0, 2000) == []
    site.hub.say("weather", "sensors")
    assert site.between(0, 2000) == []


def test_whoever_listened_to_the_hub_before_still_does():
    hub, heard = Hub("weather"), []
    hub.on_nodes_changed = lambda: heard.append(hub.online)
    Events(hub, Fields(), lambda: 0.0, SimpleNamespace(seconds=lambda: 0.0))
    hub.say("sensors")
    assert heard == [("sensors",)]


def test_a_start_of_an_agent_is_an_event_at_the_time_that_its_session_bears(site):
    site.fields.samples = {
        "data_feed::observatory.lakeshore.session": ([1010, 1070, 1130], [1000.5, 1000.5, 1101.25]),
        "feeds::observatory.lakeshore.session": ([1010, 1070, 1130], [1000.5, 1000.5, 1101.25]),
        "data_feed::observatory.lakeshore.feeds.temps.session": ([1010], [1005.0]),
    }
    first, second = site.between(1000, 1200)
    assert (first.start, first.title) == (1000.5, "observatory.lakeshore started")
    assert (second.start, second.tags) == (1101.25, ("agent", "observatory.lakeshore"))
    assert [event.start for event in site.between(1100, 1200)] == [1101.25]


def test_holes_are_found_in_the_fields_that_are_named_and_only_there(site):
    t = [*range(1000, 1050), *range(1100, 1150)]
    site.fields.samples = {"weather::wind": (t, [1.0] * 100), "weather::rain": (t, [1.0] * 100), "sensors::x": None}
    (hole,) = site.between(1000, 1200, "weather::wind")
    assert (hole.start, hole.end, hole.tags) == (1049, 1100, ("hole", "weather::wind"))
    assert hole.text == "51 s without a sample"
    assert len(site.between(1000, 1200, "weather::{wind,rain}")) == 2
    assert len(site.between(1000, 1200, "weather::*")) == 2
    assert site.between(1000, 1200) == []
    assert site.between(1000, 1200, "sensors::x") == []


def test_a_question_about_fields_is_answered_with_what_concerns_them(site):
    site.fields.samples = {
        "data_feed::observatory.lakeshore.session": ([1010], [1000.5]),
        "data_feed::observatory.other.session": ([1010], [1001.5]),
        "feeds::observatory.lakeshore.feeds.temps.t1": ([1010], [1.0]),
    }
    site.clock.t = 1050.0
    site.hub.say("weather")
    titles = [event.title for event in site.between(1000, 1200, "feeds::observatory.lakeshore.feeds.temps.t1")]
    assert titles == ["observatory.lakeshore started"]
    assert [event.title for event in site.between(1000, 1200, "sensors::anything")] == ["sensors is gone"]
    for text in ("SENSORS", "is gone", "server", "{sensors,radiometer}", "(weather|sensors)", "sens*"):
        assert [event.title for event in site.between(1000, 1200, text)] == ["sensors is gone"]
    assert len(site.between(1000, 1200, "agent")) == 2
    assert len(site.between(1000, 1200)) == 3


def test_without_the_router_what_was_noted_is_answered(site):
    site.fields.samples = {"data_feed::observatory.lakeshore.session": ([1010], [1000.5])}
    site.clock.t = 1050.0
    site.hub.say("weather")
    site.fields.away = True
    assert [event.title for event in site.between(1000, 1200)] == ["sensors is gone"]


def test_an_empty_range_holds_nothing(site):
    assert site.between(1000, 1000) == []
