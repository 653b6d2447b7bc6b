"""What the bridge remembers of fields."""

import pytest

from services.bridge.catalogue import Catalogue


def field(units="K"):
    return {"description": None, "timeline": "t", "type": "number", "units": units}


@pytest.fixture
def clock():
    class Clock:
        t = 1000.0

        def __call__(self):
            return self.t

    return Clock()


@pytest.fixture
def catalogue(clock):
    return Catalogue("feeds", ["archive", "live"], clock)


def test_the_names_are_the_same_object_until_one_comes_or_goes(catalogue):
    catalogue.replace("a", {"x": field()})
    names = catalogue.names()
    catalogue.replace("a", {"x": field("mK")})
    catalogue.extend("a", {"x": field("mK")})
    assert catalogue.names() is names
    assert catalogue.about("a::x")["units"] == "mK"
    catalogue.extend("a", {"y": field()})
    assert catalogue.names() == {"a::x", "a::y"}
    catalogue.replace("a", {"y": field()})
    assert catalogue.names() == {"a::y"}


def test_what_is_listed_is_another_object_after_a_change_and_only_then(catalogue):
    catalogue.replace("a", {"x": field()})
    listed = catalogue.listed
    catalogue.replace("a", {"x": field()})
    assert catalogue.listed is listed
    catalogue.extend("a", {"x": field("mK")})
    assert listed["a"]["x"]["units"] == "K"


def test_a_joined_field_is_what_the_server_with_the_newest_samples_says(catalogue):
    catalogue.replace("archive", {"x": field("1"), "old": field()})
    catalogue.replace("live", {"x": field("2")})
    assert catalogue.about("feeds::x")["units"] == "2"
    assert catalogue.about("feeds::old") == field()
    assert catalogue.about("feeds::nothing") is catalogue.about("nonsense") is None
    catalogue.part()
    assert catalogue.about("feeds::x") is None


def test_fields_are_stale_unless_a_server_that_has_them_is_online(catalogue):
    catalogue.replace("archive", {"x": field()})
    catalogue.replace("live", {"x": field(), "y": field()})
    assert catalogue.is_stale("feeds::x")
    catalogue.online = frozenset({"archive"})
    stale = [catalogue.is_stale(name) for name in ("feeds::x", "feeds::y", "archive::x", "live::x")]
    assert stale == [False, True, False, True]


def test_a_server_that_was_away_for_long_is_forgotten_and_one_that_is_online_is_not(catalogue, clock):
    catalogue.replace("gone", {"x": field()})
    catalogue.replace("silent", {"x": field()})
    catalogue.online = frozenset({"silent"})
    clock.t = 2000.0
    catalogue.replace("new", {"x": field()})
    catalogue.forget(1500.0)
    assert catalogue.nodes() == ["new", "silent"]
    assert catalogue.names() == {"new::x", "silent::x"}
    assert catalogue.seen("gone::x") is None
    assert catalogue.seen("new::x") == 2000.0


def test_what_was_listed_since_the_start_goes_before_what_was_known_before_it(catalogue):
    catalogue.replace("a", {"x": field("new")})
    catalogue.recollect({"a": {"x": field("old")}, "b": {"y": field()}}, {"a": 1.0, "b": 2.0})
    assert catalogue.about("a::x")["units"] == "new"
    assert (catalogue.seen("a::x"), catalogue.seen("b::y")) == (1000.0, 2.0)
    assert catalogue.names() == {"a::x", "b::y"}
