"""Quicklook in Chromium, on a running site: what a person finds, sees and does."""

import csv
import io
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from miniature_site import Site, eventually
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By

from sisock.moments import iso
from tests.quicklook.looking import Eye

pytestmark = pytest.mark.integration
COLD, FAR, PLATE = "lab::cryostat.stage_4k", "lab::cryostat.stage_50k", "lab::cold_plate"
FIELD, PUMP, MODE, LEVEL = "lab::cryostat.magnetic_field", "lab::cryostat.pump_runs", "lab::mode", "lab::tank.level"
LIVE = "data_feed::observatory.fake.feeds.false_temperatures.channel_00"
LOAD, DRIVE = "lab::computer.load", "lab::heater.drive"
LONG = "lab::computer.a_load_whose_name_is_rather_longer_than_a_tile_of_a_small_screen_is_wide"
HOUR = 3600.0


@pytest.fixture
def eye(observatory: Site, chromium: webdriver.Chrome) -> Iterator[Eye]:
    eye = Eye(observatory, chromium)
    eye.complaints()
    yield eye
    assert eye.complaints() == []


def past() -> tuple[float, float]:
    """The last whole hour."""
    end = time.time() // HOUR * HOUR
    return end - HOUR, end


def asked(eye: Eye, field: str, **how: object) -> list[tuple[float, object]]:
    """What the API says of a field."""
    parameters = "&".join(f"{name}={value}" for name, value in how.items())
    (series,) = eye.site.http(f"/api/v1/data?field={field}&{parameters}")["series"]
    return list(zip(series["t"], series["values"], strict=True))


def between(start: float, end: float) -> dict[str, str]:
    """Both ends of a view, as its address has them."""
    return {"from": iso(start, 0), "to": iso(end, 0)}


def test_a_field_is_found_by_a_part_of_its_name_and_plotted_with_the_keyboard_alone(eye: Eye) -> None:
    eye.open()
    eye.press("/")
    eye.browser.switch_to.active_element.send_keys("stage 4k")
    eye.browser.switch_to.active_element.send_keys(Keys.ENTER)
    eye.settle(COLD)
    assert eye.view()["field"] == [COLD]
    assert eye.one("#found li").get_attribute("aria-selected") == "true"
    assert "K" in eye.tile(COLD)
    eye.browser.switch_to.active_element.send_keys(Keys.ENTER)
    eventually("it is taken away again", lambda: eye.points(COLD) is None)


def test_the_values_plotted_are_those_that_the_api_gives(eye: Eye) -> None:
    start, end = past()
    eye.open(COLD, FIELD, LEVEL, **between(start, end))
    for field in (COLD, FIELD, LEVEL):
        told = asked(eye, field, stride=eye.stride(), **between(start, end))
        assert eye.samples(field) == told
        assert len(told) >= 6


def test_fields_of_one_unit_share_a_plot_which_says_the_unit_and_can_be_split(eye: Eye) -> None:
    eye.open(COLD, FIELD, FAR)
    headings = eye.browser.find_elements(By.CSS_SELECTOR, ".panel h2")
    assert [heading.text for heading in headings] == ["K", "T"]
    eye.one("#apart").click()
    eventually("each has its own", lambda: len(eye.browser.find_elements(By.CSS_SELECTOR, ".chart canvas")) == 3)
    assert eye.view()["apart"] == ["1"]


def test_fields_without_a_unit_share_a_plot_for_each_feed_which_says_its_name(eye: Eye) -> None:
    eye.open(LOAD, DRIVE, LONG)
    headings = eye.browser.find_elements(By.CSS_SELECTOR, ".panel h2")
    assert [heading.text for heading in headings] == ["lab::computer", "lab::heater"]


def test_a_plot_without_samples_is_a_low_box_that_says_so(eye: Eye) -> None:
    start, _ = past()
    eye.open(COLD, field=LEVEL, **between(start + 60, start + 120))
    boxes = eye.browser.find_elements(By.CSS_SELECTOR, ".chart")
    assert [box.text for box in boxes] == ["", "No samples in this range"]
    assert boxes[1].size["height"] < 60
    eye.press(Keys.PAGE_UP, on=".chart.none")
    eventually("it is earlier", lambda: eye.span()[0] == start)
    eye.settle(LEVEL)
    eventually("there is one", lambda: eye.samples(LEVEL))


def test_words_and_yes_or_no_are_drawn_as_steps_between_their_names(eye: Eye) -> None:
    start, end = past()
    eye.open(MODE, PUMP, **between(start, end))
    how = {"stride": eye.stride(), **between(start, end)}
    modes = asked(eye, MODE, **how)
    names = sorted({str(value) for _, value in modes})
    assert [(t, names[int(place)]) for t, place in eye.samples(MODE)] == modes
    assert [(t, bool(value)) for t, value in eye.samples(PUMP)] == asked(eye, PUMP, **how)


def test_a_hole_in_the_samples_is_a_hole_in_the_line(eye: Eye) -> None:
    start, end = past()
    eye.open(PLATE, COLD, **between(start - HOUR, end))
    holes = [t for t, value in eye.points(PLATE) or () if value is None]
    assert {(t - start) // HOUR for t in holes if 0 < (t - start) % HOUR < 880} == {-1, 0}
    assert all((t - start + 20) % HOUR < 940 for t in holes)
    assert [t for t, value in eye.points(COLD) or () if value is None] == []


def test_a_drag_looks_closer_and_the_back_key_looks_wider_again(eye: Eye) -> None:
    start, end = past()
    eye.open(COLD, **between(start, end))
    coarse = len(eye.samples(COLD))
    eye.drag(0.25, 0.5)
    eventually("the range is a quarter", lambda: eye.span()[1] - eye.span()[0] < 1000)
    eye.settle(COLD)
    left, right = eye.span()
    assert left == pytest.approx(start + 0.25 * HOUR, abs=10)
    assert right == pytest.approx(start + 0.5 * HOUR, abs=10)
    ends = {end: said[0] for end, said in eye.view().items() if end != "field"}
    assert eye.samples(COLD) == asked(eye, COLD, stride=eye.stride(), **ends)
    assert len(eye.samples(COLD)) > coarse / 4
    eye.browser.back()
    eventually("the range is whole", lambda: eye.span() == (start, end))


def test_a_drag_with_shift_moves_through_time(eye: Eye) -> None:
    start, end = past()
    eye.open(COLD, **between(start, end))
    eye.drag(0.25, 0.5, Keys.SHIFT)
    eventually("it is earlier", lambda: eye.span()[0] == pytest.approx(start - 0.25 * HOUR, abs=10))
    assert eye.span()[1] - eye.span()[0] == pytest.approx(HOUR, abs=2)


@pytest.mark.parametrize(
    ("fingers", "due"),
    [([(0.25, 0.5)], (-0.25, 0.75)), ([(0.25, 0.0), (0.75, 1.0)], (0.25, 0.75))],
    ids=["one", "two"],
)
def test_fingers_keep_the_times_that_they_touch(
    eye: Eye, fingers: list[tuple[float, float]], due: tuple[float, float]
) -> None:
    start, end = past()
    eye.open(COLD, width=360, **between(start, end))
    eye.touch(*fingers)
    spans = [pytest.approx(start + part * HOUR, abs=60) for part in due]
    eventually("it has moved", lambda: list(eye.span()) == spans)
    eventually("it is loaded", lambda: eye.view()["from"][0] != iso(start, 0))


def test_the_keyboard_moves_a_plot_that_has_the_focus(eye: Eye) -> None:
    start, end = past()
    eye.open(COLD, **between(start, end))
    eye.press(Keys.PAGE_UP, on=".chart")
    eventually("it is an hour earlier", lambda: eye.span() == (start - HOUR, end - HOUR))
    eye.press("+", on=".chart")
    eventually("it is closer", lambda: eye.span() == (start - 0.75 * HOUR, end - 1.25 * HOUR))
    eye.press("l", on=".chart")
    eventually("it is live", lambda: eye.view()["to"] == ["now"])


def test_a_live_sample_arrives_by_itself(eye: Eye) -> None:
    eye.open(LIVE, **{"from": "-1m", "to": "now"})
    begun = eye.samples(LIVE)[-1][0]
    eventually("five seconds more have come", lambda: eye.samples(LIVE)[-1][0] > begun + 5)
    start, end = begun - 3, begun + 3
    drawn = [point for point in eye.samples(LIVE) if start <= point[0] < end]
    assert drawn == asked(eye, LIVE, **{"from": start, "to": end})
    assert len(drawn) >= 25
    assert time.time() - eye.samples(LIVE)[-1][0] < 10
    eventually("its tile says it", lambda: "now" in eye.tile(LIVE) or "s ago" in eye.tile(LIVE))


def test_samples_that_are_on_their_way_are_no_hole_at_the_end_of_a_live_plot(eye: Eye) -> None:
    eye.open(LIVE, **{"from": "-1m", "to": "now"})
    begun = eye.span()[1]
    eventually("it goes on", lambda: eye.span()[1] > begun + 3)
    assert (eye.points(LIVE) or [])[-1][1] is not None


def test_what_came_bit_by_bit_is_drawn_like_what_is_asked_at_once(eye: Eye) -> None:
    eye.open(LIVE, COLD, **{"from": "-10m", "to": "now"})
    begun = eye.span()[1]
    eventually("it goes on", lambda: eye.span()[1] > begun + 12)
    drawn = {field: eye.points(field) for field in (LIVE, COLD)}
    start, end = begun - 60, begun + 6
    for field, points in drawn.items():
        told = asked(eye, field, stride=eye.stride(), **{"from": start - 60, "to": "now"})
        assert [point for point in points or () if start < point[0] < end] == [
            point for point in told if start < point[0] < end
        ]


def test_a_range_that_begins_at_a_moment_grows_until_now(eye: Eye) -> None:
    start = time.time() // 1 - 60
    eye.open(COLD, **{"from": iso(start, 0), "to": "now"})
    end = eye.span()[1]
    eventually("it goes on", lambda: eye.span()[1] > end + 3)
    assert eye.span()[0] == start
    assert eye.samples(COLD)[0][0] == start


def test_a_field_that_is_added_is_asked_for_alone(eye: Eye) -> None:
    start, end = past()
    eye.open(COLD, **between(start, end))
    eye.transfers()
    eye.press("/")
    eye.browser.switch_to.active_element.send_keys("magnetic" + Keys.ENTER)
    eye.settle(COLD, FIELD)
    data = [address for address in eye.transfers() if "/api/v1/data" in address]
    assert len(data) == 1
    assert "magnetic_field" in data[0]
    assert "stage_4k" not in data[0]
    assert eye.samples(FIELD) == asked(eye, FIELD, stride=eye.stride(), **between(start, end))


def test_a_reload_keeps_the_view(eye: Eye) -> None:
    start, end = past()
    eye.open(COLD, FIELD, **between(start, end))
    eye.drag(0.5, 0.75)
    eventually("it is closer", lambda: eye.span()[1] - eye.span()[0] < 1000)
    view, span = eye.view(), eye.span()
    drawn = eye.settle(COLD).samples(COLD)
    eye.browser.refresh()
    eye.settle(COLD, FIELD)
    assert (eye.view(), eye.span(), eye.samples(COLD)) == (view, span, drawn)


@pytest.mark.parametrize(
    ("words", "spoken"),
    [("last 2 hours", ("-2h", "now")), ("2017-07-16 08:00 to 12:00", ("2017-07-16T08:00:00Z", "2017-07-16T12:00:00Z"))],
)
def test_a_range_is_said_in_words(eye: Eye, words: str, spoken: tuple[str, str]) -> None:
    eye.open(COLD)
    eye.write("#range", words + Keys.ENTER)
    eventually("it is looked at", lambda: (eye.view()["from"][0], eye.view()["to"][0]) == spoken)
    assert eye.one("#range").get_attribute("value") == words


def test_words_that_are_no_range_are_said_to_be_none_and_change_nothing(eye: Eye) -> None:
    eye.open(COLD)
    view = eye.view()
    eye.write("#range", "the day before" + Keys.ENTER)
    assert "is no time range" in eye.one("#range").get_attribute("validationMessage")
    assert eye.view() == view


@pytest.mark.parametrize("words", ["-1h to -3h", "last 100000 years"])
def test_a_range_that_is_none_is_refused_in_the_box(eye: Eye, words: str) -> None:
    eye.open(COLD)
    view = eye.view()
    eye.write("#range", words + Keys.ENTER)
    assert words in eye.one("#range").get_attribute("validationMessage")
    assert eye.view() == view


def test_what_the_bridge_refuses_is_said_and_not_asked_again(eye: Eye) -> None:
    eye.open(COLD)
    eye.browser.execute_script("location.hash = arguments[0]", f"field={COLD}&from=-1h&to=-3h")
    eventually("it is said", lambda: "the time range is empty" in eye.one("#message").text)
    assert "again" not in eye.one("#message").text
    eye.transfers()
    time.sleep(7)  # Longer than until the page would ask again.
    assert [address for address in eye.transfers() if "/api/v1/data" in address] == []
    eye.write("#range", "last hour" + Keys.ENTER)
    eventually("another is taken", lambda: not eye.one("#message").text)
    assert [each for each in eye.complaints() if "400" not in each] == []


@pytest.mark.parametrize("width", [360, 1280])
def test_the_time_box_shows_all_of_its_text(eye: Eye, width: int) -> None:
    eye.open(COLD, width=width, **{"from": "2026-01-31T08:00:00.000Z", "to": "2026-02-01T12:00:30.500Z"})
    assert eye.one("#range").get_attribute("value") == "2026-01-31 08:00 to 2026-02-01 12:00:30.5"
    script = "const box = document.querySelector('#range'); return [box.scrollWidth, box.clientWidth]"
    needed, given = eye.browser.execute_script(script)
    assert needed <= given + 1


def test_a_tile_says_where_its_value_comes_from_beside_the_one_under_the_pointer(eye: Eye) -> None:
    eye.open(COLD)
    height = eye.one(".tile").size["height"]
    ActionChains(eye.browser).move_to_element(eye.one(".u-over")).perform()
    eventually("the value is told", lambda: eye.one(".tile .pointed").text)
    assert "lab · cryostat" in eye.tile(COLD)
    assert eye.one(".tile").size["height"] == height


def test_a_tile_shows_the_newest_value_whatever_range_is_looked_at(eye: Eye) -> None:
    start, end = past()
    eye.open(LEVEL, MODE, **between(start - 24 * HOUR, end - 24 * HOUR))
    level, mode = eye.site.http(f"/api/v1/at?field={LEVEL}&field={MODE}")["values"]
    eventually("the level is told", lambda: f"{level['value']:.6g} %" in eye.tile(LEVEL))
    eventually("the mode is told", lambda: mode["value"] in eye.tile(MODE))


def test_the_csv_holds_every_sample_of_the_range(eye: Eye) -> None:
    start, end = past()
    eye.open(COLD, **between(start, end))
    folder = Path(eye.browser.capabilities["chrome"]["userDataDir"]) / "saved"
    eye.one("#csv-all").click()
    path = eventually("it is saved", lambda: list(folder.glob("*-all.csv")))[0]
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert COLD in rows[0]
    assert len(rows) == 1 + HOUR


def test_it_works_on_a_screen_of_360_pixels(eye: Eye) -> None:
    eye.open(COLD, FAR, MODE, LONG, width=360)
    assert eye.browser.execute_script("return document.documentElement.scrollWidth") <= 360
    for css in ("#search", "#range", "#live", "#earlier", "#csv", "#help", ".chart canvas", ".tile"):
        box = eye.one(css).rect
        assert box["width"] > 20, css
        assert box["x"] >= 0, css
        assert box["x"] + box["width"] <= 360, css
    assert eye.one(".u-over").size["width"] > 240
    cut = "return [...document.querySelectorAll('.tile *')].filter((each) => each.scrollWidth > each.clientWidth + 1"
    assert eye.browser.execute_script(f"{cut} && getComputedStyle(each).display === 'block').length") == 0


def test_a_browser_that_asks_for_the_root_gets_the_page(eye: Eye) -> None:
    eye.open(COLD, path="/")
    assert eye.one("h1").text == "Quicklook"


def test_what_it_takes_comes_from_the_bridge_alone_and_is_less_than_150_kilobytes(eye: Eye) -> None:
    eye.browser.execute_cdp_cmd("Network.clearBrowserCache", {})
    eye.transfers()
    eye.open(COLD, FIELD, MODE)
    eventually("the servers are told", lambda: "online" in eye.one("#servers-summary").text)
    sizes = {address: size for address, size in eye.transfers().items() if not address.startswith(("about", "data:"))}
    assert all(address.startswith(f"http://127.0.0.1:{eye.site.bridge_port}/") for address in sizes)
    assets = {address: size for address, size in sizes.items() if "/api/" not in address}
    assert len(assets) == 3
    assert 10_000 < sum(assets.values()) < 50_000
    assert sum(sizes.values()) < 150_000


def test_a_server_that_is_gone_is_said_to_be_and_the_others_go_on(eye: Eye) -> None:
    eye.open(COLD, LIVE, **{"from": "-1m", "to": "now"})
    eye.site.programs["lab"].kill()
    try:
        eventually("it is offline", lambda: "offline" in eye.tile(COLD), 60)
        eventually("so says the header", lambda: "▲" in eye.one("#servers-summary").text, 5)
        before = eye.samples(LIVE)[-1][0]
        eventually("the other goes on", lambda: eye.samples(LIVE)[-1][0] > before + 3)
    finally:
        eye.site.programs["lab"].start()
    eventually("it is back", lambda: "offline" not in eye.tile(COLD), 60)
    eye.open(COLD, **{"from": "-10m", "to": "now"})
    eventually("what happened is told", lambda: eye.one("#events").is_displayed())
    eye.one("#events summary").click()
    assert "lab" in eye.one("#events-body").text


def test_nobody_is_called_offline_while_the_hub_is_away(eye: Eye) -> None:
    eye.open(COLD, LIVE, **{"from": "-1m", "to": "now"})
    eventually("all are online", lambda: "●" in eye.one("#servers-summary").text, 60)
    eye.site.programs["hub"].kill()
    try:
        eventually("so says the header", lambda: "the hub does not answer" in eye.one("#servers-summary").text, 60)
        eye.one("#servers summary").click()
        eventually("who is online is not known", lambda: "▲ unknown" in eye.one("#servers-body").text)
        assert "offline" not in eye.one("#servers").text + eye.tile(COLD)
    finally:
        eye.site.programs["hub"].start()
    eventually("all are online again", lambda: "●" in eye.one("#servers-summary").text, 60)


def test_a_bridge_that_is_away_is_said_to_be_and_taken_up_again(eye: Eye) -> None:
    eye.open(COLD, **{"from": "-1m", "to": "now"})
    eye.site.programs["bridge"].kill()
    try:
        eventually("it says so", lambda: "does not answer" in eye.one("#message").text)
        assert eye.samples(COLD)
        assert "UTC" not in eye.one("#message").text
    finally:
        eye.site.programs["bridge"].start()
    eventually("it goes on", lambda: not eye.one("#message").text, 60)
    eventually("so says the header", lambda: "does not answer" not in eye.one("#servers-summary").text, 5)
    eye.complaints()  # Each request that had no answer.
