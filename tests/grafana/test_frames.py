"""Replies of every front-end, read by Grafana's own code: the frames say what was sent."""

import time
from urllib.parse import quote

import numpy as np
import pytest

from sisock.graphite import path_of
from sisock.units import KNOWN as UNITS
from tests.services.bridge.conftest import NOW, Node, good, iso, raising, request, serving, table

ROWS = [{"target": "numbers::a", "refId": "A"}, {"target": "raising::a", "refId": "B"}]


def holed() -> Node:
    """A data server of five samples, with a hole before the last and no value in the third."""

    def get_data(fields, _start, _end, _stride):
        t = [NOW, NOW + 1, NOW + 2.25, NOW + 3, NOW + 20]
        return {"data": {key: [1.5, -2.0, None, 4.0, 5.0] for key in fields}, "timeline": {"t": {"t": t}}}

    fields = table(units="degC", names=("a", "ä.b c"))
    fields[0]["a"]["description"] = "air temperature"
    return Node(lambda *_: fields, get_data)


@pytest.fixture(scope="module")
def site():
    flags = good(lambda t: [bool(each % 2) for each in t], kind="bool", units=None)
    words = good(lambda t: np.where(t % 2, "on", "off").tolist(), kind="string", units=None)
    servers = {"numbers": holed(), "raising": raising(), "flags": flags, "words": words}
    with serving(servers) as bridge:
        bridge.ask("/search", {})
        yield bridge


def simpod(site, *texts, seconds=60, **payload):
    rows = [
        {"target": text, "refId": letter, "editorMode": "code", "payload": payload}
        for text, letter in zip(texts, "ABCDEF", strict=False)
    ]
    return site.ask("/query", request(*rows, seconds=seconds)).json


def column(frame, number=1):
    return frame["fields"][number]


def after(frame, number=0):
    """Times of a frame, seconds after `NOW`."""
    return [stamp / 1000 - NOW for stamp in column(frame, number)["values"]]


def test_a_simplejson_series_is_a_frame_of_numbers_with_its_hole_and_its_units(site, read):
    series, failed = read("frames", site.query(*ROWS))
    assert (series["name"], series["refId"], series["length"]) == ("numbers::a", "A", 6)
    assert [field["type"] for field in series["fields"]] == ["time", "number"]
    assert after(series) == pytest.approx([0, 1, 2.25, 3, 4, 20])
    assert column(series)["values"] == [1.5, -2.0, None, 4.0, None, 5.0]
    assert column(series)["title"] == "numbers::a"
    assert column(series)["shown"][0] == "1.50 °C"
    assert (failed["refId"], failed["length"]) == ("B", 0)
    assert failed["meta"]["notices"][0]["severity"] == "error"
    assert "disk on fire" in failed["meta"]["notices"][0]["text"]


def test_a_simplejson_table_keeps_booleans_and_text(site, read):
    rows = [{"target": name, "refId": "T", "type": "table"} for name in ("flags::a", "words::a")]
    flags, words = read("frames", site.query(*rows, seconds=3))
    assert [field["type"] for field in flags["fields"]] == ["time", "boolean"]
    assert column(flags)["values"] == [False, True, False]
    assert [field["type"] for field in words["fields"]] == ["time", "string"]
    assert column(words)["values"] == ["off", "on", "off"]
    (numbers,) = read("frames", site.query({"target": "numbers::a", "refId": "T", "type": "table"}))
    assert column(numbers)["shown"][0] == "1.50 °C"


def test_a_simpod_frame_of_numbers_has_units_description_and_labels(site, read):
    series, failed = read("frames", simpod(site, "numbers::a", "raising::a"))
    values = column(series)
    assert (series["refId"], [field["type"] for field in series["fields"]]) == ("A", ["time", "number"])
    assert after(series) == pytest.approx([0, 1, 2.25, 3, 4, 20])
    assert values["values"] == [1.5, -2.0, None, 4.0, None, 5.0]
    assert values["title"] == "numbers::a"
    assert values["labels"] == {"node": "numbers", "field": "a"}
    assert values["config"]["description"] == "air temperature"
    assert values["shown"][:2] == ["1.50 °C", "-2 °C"]
    assert (failed["refId"], failed["length"]) == ("B", 0)
    assert "disk on fire" in failed["meta"]["notices"][0]["text"]


def test_simpod_frames_keep_booleans_text_and_enums(site, read):
    flags, words = read("frames", simpod(site, "flags::a", "words::a", seconds=3))
    assert (column(flags)["type"], column(flags)["values"]) == ("boolean", [False, True, False])
    assert (column(words)["type"], column(words)["values"]) == ("string", ["off", "on", "off"])
    (enum,) = read("frames", simpod(site, "words::a", seconds=3, text="enum"))
    assert (column(enum)["type"], column(enum)["values"]) == ("enum", [0, 1, 0])
    assert column(enum)["shown"] == ["off", "on", "off"]


def test_an_alias_is_what_a_legend_shows(site, read):
    first, second = read("frames", simpod(site, "numbers::(a|ä\\.b c)", alias="{{field}} at the door"))
    assert [column(first)["title"], column(second)["title"]] == ["a at the door", "ä.b c at the door"]


def test_an_annotation_of_simpod_has_the_columns_that_grafana_looks_for(site, read):
    now = time.time()
    site.tell_news()
    words = site.consumer.servers.pop("words")
    site.tell_news()
    site.consumer.servers["words"] = words
    site.tell_news()
    body = request({"target": "", "refId": "Anno", "payload": {}}, start=now - 60, seconds=120)
    (frame,) = read("frames", site.ask("/query", body | {"scopedVars": {"__annotation": {}}}).json)
    assert [(field["name"], field["type"]) for field in frame["fields"]] == [
        ("time", "time"), ("timeEnd", "time"), ("title", "string"), ("text", "string"), ("tags", "string"),
        ("id", "string"),
    ]  # fmt: skip
    assert column(frame, 2)["values"][0] == "words was gone"
    assert column(frame, 4)["values"][0].split(",") == ["server", "words"]
    assert column(frame, 0)["values"][0] <= column(frame, 1)["values"][0]


def test_a_graphite_series_is_a_frame_of_numbers(site, read):
    wanted = quote(f'aliasSub({path_of("numbers::a")},"(^.*$)","\\1 A")')
    path = f"/render?target={wanted}&from={NOW:.0f}&until={NOW + 60:.0f}&format=json&maxDataPoints=500"
    reply = site.ask(path, method="GET")
    assert reply.status == 200, reply.body
    (series,) = read("graphite", reply.json)
    assert [field["type"] for field in series["fields"]] == ["time", "number"]
    assert series["name"].endswith(" A")
    drawn = [value for value in column(series)["values"] if value is not None]
    assert (min(drawn), max(drawn), drawn[-1]) == (-2.0, 5.0, 5.0)
    assert None in column(series)["values"], "the hole is seen"


def test_the_csv_of_the_flat_interface_is_a_table(site, read):
    path = f"/api/v1/data?field=numbers::a&from={iso(NOW)}&to={iso(NOW + 60)}&format=csv"
    (frame,) = read("csv", site.ask(path, method="GET").body.decode())
    assert [field["name"] for field in frame["fields"]] == ["time", "unix_time", "numbers::a"]
    assert column(frame, 2)["values"] == [1.5, -2.0, None, 4.0, 5.0]
    assert frame["length"] == 5


def test_the_fields_of_the_flat_interface_are_rows(site, read):
    (frame,) = read("rows", site.ask("/api/v1/fields?node=numbers", method="GET").json["fields"])
    columns = {field["name"]: field["values"] for field in frame["fields"]}
    assert columns["name"] == ["numbers::a", "numbers::ä.b c"]
    assert columns["units"] == ["degC", "degC"]


def test_grafana_knows_every_unit_that_it_is_told(read):
    (frame,) = read("units")
    assert set(UNITS.values()) <= set(frame["fields"][0]["values"])
