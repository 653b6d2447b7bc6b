"""What a server counts of its own work, and how it reports it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from autobahn.wamp.exception import TransportLost

from sisock.accounting import Accounts, resident_memory
from sisock.base import REPORTS_PER_LINE, DataNodeServer
from sisock.uris import health_uri


def test_questions_are_counted_with_the_time_they_took() -> None:
    now = [0.0]
    accounts = Accounts(lambda: now[0])

    def fail_after(seconds: float) -> None:
        now[0] += seconds
        raise KeyError

    for seconds in (1.0, 3.0):
        with accounts.of_question():
            now[0] += seconds
    with pytest.raises(KeyError), accounts.of_question():
        fail_after(2.0)
    figures = accounts.figures()
    assert {name: figures[name] for name in ("answered", "failed", "seconds", "slowest")} == {
        "answered": 2, "failed": 1, "seconds": 6.0, "slowest": 3.0,
    }  # fmt: skip
    assert accounts.figures()["slowest"] == 0.0


def test_the_memory_of_the_process_is_told_where_the_kernel_does(tmp_path: Path) -> None:
    assert resident_memory()["memory"] > 1e6
    assert resident_memory(tmp_path / "none") == {}


class Reporting(DataNodeServer):
    """Server whose reports are noted."""

    name = "mine"

    def __init__(self) -> None:
        super().__init__()
        self._session_id, self._standing = 1, ""
        self.published: list[tuple[str, Any]] = []
        self.lines: list[str] = []
        self.log = SimpleNamespace(
            info=lambda event, **facts: self.lines.append(event.format(**facts)),
            failure=lambda *_, **__: self.lines.append("failure"),
        )

    def publish(self, topic: str, figures: Any, options: Any) -> None:
        assert options.exclude_me is False, "the server `health` reports of itself, too"
        self.published.append((topic, figures))

    def figures(self) -> dict[str, float]:
        return {"received": 7}


def reports(server: Reporting, count: int = 1, session: int = 1) -> SimpleNamespace:
    beat = SimpleNamespace(stopped=False)
    beat.stop = lambda: setattr(beat, "stopped", True)
    for _ in range(count):
        server._report(session, beat)  # type: ignore[arg-type]
    return beat


def test_a_listed_server_publishes_its_figures_with_the_librarys() -> None:
    server = Reporting()
    reports(server)
    ((topic, figures),) = server.published
    assert topic == health_uri("mine") == "org.simonsobservatory.data_node.health.mine"
    assert figures["received"] == 7
    assert {"answered", "failed", "seconds", "slowest", "memory"} <= figures.keys()


def test_the_figures_go_to_the_log_now_and_then() -> None:
    server = Reporting()
    reports(server, 2 * REPORTS_PER_LINE)
    assert len(server.lines) == 2
    assert server.lines[0].startswith("mine: answered 0, failed 0, ")
    assert server.lines[0].endswith("received 7")


@pytest.mark.parametrize("standing", [None, "the hub knows another live server of this name"])
def test_a_server_that_is_not_listed_does_not_report_under_the_name(standing: str | None) -> None:
    server = Reporting()
    server._standing = standing
    assert not reports(server).stopped
    assert server.published == []


def test_reporting_ends_with_its_session() -> None:
    server = Reporting()
    assert reports(server, session=2).stopped
    assert server.published == []


def test_an_error_in_the_authors_figures_is_logged_and_ends_nothing() -> None:
    server = Reporting()
    server.figures = lambda: {}["none"]  # type: ignore[method-assign]
    assert not reports(server).stopped
    assert server.lines == ["failure"]


def test_a_router_that_is_away_is_no_error() -> None:
    def lost(*_: object, **__: object) -> None:
        raise TransportLost

    server = Reporting()
    server.publish = lost  # type: ignore[assignment]
    assert not reports(server).stopped
    assert server.lines == []
