"""The catalogue over a restart."""

import orjson
import pytest

from services.bridge.catalogue import Catalogue
from services.bridge.memory import Memory

FIELD = {"description": "a\nb", "timeline": "t", "type": "bool", "units": None}
DAY = 86400.0


@pytest.fixture
def clock():
    class Clock:
        t = 1000 * DAY

        def __call__(self):
            return self.t

    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "catalogue.json"


@pytest.fixture
def memory(path, clock):
    return Memory(path, 90.0, clock)


@pytest.fixture
def kept(memory, path, clock):
    catalogue = Catalogue(now=clock)
    catalogue.replace("weather", {"pwv é": FIELD, "flag": FIELD})
    memory.keep(catalogue)
    return catalogue


def recalled(path, clock, days=90.0):
    catalogue = Catalogue(now=clock)
    Memory(path, days, clock).recall(catalogue)
    return catalogue


def test_what_was_known_is_known_after_a_restart(kept, path, clock):
    again = recalled(path, clock)
    assert again.listed == kept.listed
    assert again.names() == kept.names()
    assert again.seen("weather::flag") == clock.t
    assert again.is_stale("weather::flag")


def test_the_file_is_written_when_something_has_changed_and_else_every_ten_minutes(kept, memory, path, clock):
    path.unlink()
    memory.keep(kept)
    assert not path.exists()
    kept.extend("weather", {"new": FIELD})
    memory.keep(kept)
    assert "weather::new" in recalled(path, clock).names()
    clock.t += 601
    kept.extend("weather", {"new": FIELD})
    memory.keep(kept)
    assert recalled(path, clock).seen("weather::new") == clock.t


def test_a_server_that_was_away_for_longer_than_it_is_remembered_is_forgotten(kept, path, clock):
    clock.t += 89 * DAY
    assert recalled(path, clock).names()
    clock.t += 2 * DAY
    assert not recalled(path, clock).names()


def test_nothing_is_kept_without_a_file(clock):
    memory, catalogue = Memory(None, 90.0, clock), Catalogue()
    memory.keep(catalogue)
    memory.recall(catalogue)
    assert catalogue.nodes() == []


def server(**more):
    return {"seen": 1.0, "fields": {"a": FIELD}} | more


SPOILT = {
    "nothing": b"",
    "half of it": b'{"format": 1, "servers": {"weather": {"se',
    "a list": b"[]",
    "zeros": bytes(100),
    "another format": orjson.dumps({"format": 2, "servers": {}}),
    "a name that would end the session": orjson.dumps({"format": 1, "servers": {"a.b#": server()}}),
    "fields of another shape": orjson.dumps({"format": 1, "servers": {"a": server(fields=["a"])}}),
    "a field of another type": orjson.dumps({"format": 1, "servers": {"a": server(fields={"a": FIELD | {"type": 7}})}}),
    "a timeline that is no name": orjson.dumps(
        {"format": 1, "servers": {"a": server(fields={"a": FIELD | {"timeline": []}})}}
    ),
    "no time": orjson.dumps({"format": 1, "servers": {"a": server(seen=None)}}),
    "deep nesting": b"[" * 100_000,
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_file_that_is_spoilt_is_said_so_and_the_bridge_starts_without_it(name, path, clock, memory, logged):
    path.write_bytes(SPOILT[name])
    catalogue = Catalogue(now=clock)
    memory.recall(catalogue)
    assert catalogue.nodes() == []
    assert "could not be read" in logged[-1]["log_format"]
    catalogue.replace("weather", {"a": FIELD})
    memory.keep(catalogue)
    assert recalled(path, clock).names() == {"weather::a"}


def test_a_place_that_cannot_be_written_is_said_once_and_spoils_nothing(tmp_path, clock, logged):
    memory, catalogue = Memory(tmp_path / "absent" / "catalogue.json", 90.0, clock), Catalogue(now=clock)
    for name in ("a", "b"):
        catalogue.replace(name, {"x": FIELD})
        memory.keep(catalogue)
    assert [event["log_format"] for event in logged if "could not be kept" in event["log_format"]] == [
        "bridge: the fields could not be kept in {path} (CATALOGUE_FILE), and will not outlive a restart: {error}"
    ]


def test_fields_whose_text_no_encoding_has_are_kept_as_far_as_they_can_be(path, clock, memory):
    catalogue = Catalogue(now=clock)
    catalogue.replace("odd", {"a\ud800": FIELD})
    catalogue.replace("weather", {"x": FIELD})
    memory.keep(catalogue)
    assert "weather::x" in recalled(path, clock).names()
