"""What a person does with the page, and sees on it."""

import json
from typing import Any, cast
from urllib.parse import parse_qs, urlencode

from miniature_site import Site, eventually
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

Point = tuple[float, Any]

_PLOTTED = """
  const wanted = arguments[0];
  for (const chart of document.querySelectorAll(".chart")) {
    const place = chart.plot?.series.findIndex((series) => series.label === wanted) ?? -1;
    if (place > 0) return chart.plot.data[0].map((t, at) => [t, chart.plot.data[place][at]])
      .filter(([, value]) => value !== undefined);
  }
  return null;
"""


class Eye:
    """Chromium on the page of a site."""

    def __init__(self, site: Site, browser: webdriver.Chrome) -> None:
        self.site, self.browser = site, browser

    def open(self, *fields: str, path: str = "/quicklook", width: int = 1280, **more: str) -> "Eye":
        """Open a view in a window of so many pixels, as a link to it would, and wait until it is drawn."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        hash_ = urlencode([*(("field", field) for field in fields), *more.items()])
        self.browser.get("about:blank")  # Another view in the same window would be no new page.
        self.browser.get(f"http://127.0.0.1:{self.site.bridge_port}{path}#{hash_}")
        return self.settle(*fields)

    def settle(self, *fields: str) -> "Eye":
        """Wait until the fields are plotted and nothing is being loaded."""
        for field in fields:
            eventually(f"{field} is plotted", lambda field=field: self.points(field) is not None)
        eventually("nothing is loading", lambda: "loading" not in self.one("body").get_attribute("class"))
        return self

    def one(self, css: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, css)

    def press(self, *keys: str, on: str = "body") -> None:
        self.one(on).send_keys(*keys)

    def write(self, css: str, text: str) -> None:
        """Type a text in place of what a box holds, and Enter."""
        self.press(Keys.CONTROL + "a", on=css)
        self.press(text, on=css)

    def points(self, field: str) -> list[Point] | None:
        """What is plotted of a field: stamps and values, None in a hole; None when it has no plot."""
        plotted = self.browser.execute_script(_PLOTTED, field)
        return plotted and [(t, value) for t, value in plotted]

    def samples(self, field: str) -> list[Point]:
        """What is plotted, but for the holes."""
        return [(t, value) for t, value in self.points(field) or () if value is not None]

    def span(self) -> tuple[float, float]:
        """Both ends of the time axis, UNIX seconds."""
        script = "const x = document.querySelector('.chart').plot.scales.x; return [x.min, x.max]"
        return cast("tuple[float, float]", tuple(self.browser.execute_script(script)))

    def stride(self) -> str:
        """Least seconds between two points, as the page has asked for."""
        return str(self.one("#drawn").get_attribute("data-stride"))

    def drag(self, start: float, end: float, *keys: str) -> None:
        """Drag on the first plot, from one part of its width to another, with keys held down."""
        over = self.one(".u-over")
        width = over.size["width"]
        actions = ActionChains(self.browser)
        for key in keys:
            actions.key_down(key)
        actions.move_to_element_with_offset(over, round(width * (start - 0.5)), 0).click_and_hold()
        actions.move_by_offset(round(width * (end - start) / 2), 2).move_by_offset(round(width * (end - start) / 2), 0)
        actions.release()
        for key in keys:
            actions.key_up(key)
        actions.perform()

    def touch(self, *fingers: tuple[float, float]) -> None:
        """Put fingers on the first plot, each at a part of its width, move it to another, and take all off."""
        box = self.one(".u-over").rect
        steps = 6

        def send(kind: str, points: list[dict[str, float]]) -> None:
            self.browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        for step in range(steps + 1):
            parts = [start + (end - start) * step / steps for start, end in fingers]
            x = [box["x"] + box["width"] * part for part in parts]
            places = [{"x": each, "y": box["y"] + box["height"] / 2, "id": at} for at, each in enumerate(x)]
            send("touchMove" if step else "touchStart", places)
        send("touchEnd", [])

    def view(self) -> dict[str, list[str]]:
        """The view as the address has it."""
        return parse_qs(self.browser.current_url.partition("#")[2])

    def tile(self, field: str) -> str:
        return self.one(f"[data-field='{field}']").text

    def complaints(self) -> list[str]:
        """What the browser has had to complain of: faults of the page, and what its policy forbids."""
        return [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]

    def transfers(self) -> dict[str, int]:
        """Bytes that came over the wire since this was last asked, by address."""
        addresses: dict[str, str] = {}
        sizes: dict[str, int] = {}
        for entry in self.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            about = message["params"]
            if message["method"] == "Network.requestWillBeSent":
                addresses[about["requestId"]] = about["request"]["url"]
            elif message["method"] == "Network.loadingFinished" and about["requestId"] in addresses:
                address = addresses[about["requestId"]]
                sizes[address] = sizes.get(address, 0) + int(about["encodedDataLength"])
        return sizes
