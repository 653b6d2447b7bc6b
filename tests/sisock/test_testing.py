"""The contract kit passes a server that keeps the contract, and names each rule that one breaks."""

import time
from typing import Any

import numpy as np
import pytest
from twisted.internet.defer import succeed

from sisock.base import DataNodeServer
from sisock.shapes import OPERATORS
from sisock.testing import ContractError, check_contract
from sisock.thinning import aggregate, envelope
from sisock.times import time_range

NOW = 1_700_000_000.0


class Good:
    """Two timelines; `slow` has a string and a boolean, `fast` two numbers, one with a spike and a NaN."""

    def __init__(self) -> None:
        self.t = {"fast": NOW - 1000 + np.arange(400) * 2.0, "slow": NOW - 1000 + np.arange(20) * 40.0}
        wave = np.sin(self.t["fast"] / 50)
        wave[77] = 100.0
        hole = np.where(np.arange(400) == 12, np.nan, wave)
        words = np.array([f"state {i}" for i in range(20)], dtype=object)
        self.values: dict[str, tuple[str, str, Any]] = {
            "wave": ("fast", "number", wave),
            "hole": ("fast", "number", hole),
            "state": ("slow", "string", words),
            "on": ("slow", "bool", np.arange(20) % 3 == 0),
        }

    def range(self, start: float, end: float) -> tuple[float, float]:
        return time_range(start, end, NOW)

    def get_fields(self, start: float, end: float) -> Any:
        fields = {
            name: {"description": None, "timeline": timeline, "type": kind, "units": None}
            for name, (timeline, kind, _) in self.values.items()
        }
        timelines = {
            timeline: {
                "interval": None,
                "field": [name for name, field in fields.items() if field["timeline"] == timeline],
            }
            for timeline in self.t
        }
        return fields, timelines

    def get_data(self, field: list[str], start: float, end: float, min_stride: float | None = None) -> Any:
        start, end = self.range(start, end)
        reply: dict[str, Any] = {"data": {name: [] for name in field}, "timeline": {}}
        for timeline, t in self.t.items():
            place = slice(*np.searchsorted(t, (start, end)))
            mine = {name: self.values[name][2][place] for name in field if name in self.values
                    and self.values[name][0] == timeline}  # fmt: skip
            if mine and t[place].size:
                thinned, values = envelope(t[place], mine, min_stride)
                reply["data"].update(values)
                reply["timeline"][timeline] = {"t": thinned, "finalized_until": None}
        return reply


def check(server: object) -> None:
    check_contract(server, clock=lambda: NOW)


def breaches(server: object) -> set[str]:
    with pytest.raises(ContractError) as caught:
        check(server)
    return set(caught.value.breaches)


def test_a_good_server_passes() -> None:
    check(Good())


def test_replies_of_plain_lists_pass() -> None:
    class Lists(Good):
        def get_data(self, *args: Any) -> Any:
            reply = super().get_data(*args)
            reply["data"] = {name: list(values) for name, values in reply["data"].items()}
            return reply

    check(Lists())


def test_a_deferred_that_has_fired_passes() -> None:
    class Deferring(Good):
        def get_data(self, *args: Any) -> Any:
            return succeed(super().get_data(*args))

    check(Deferring())


def test_a_blocking_data_node_server_is_asked_without_a_reactor() -> None:
    good = Good()

    class Blocking(DataNodeServer):
        def get_fields_blocking(self, start: float, end: float) -> Any:
            return good.get_fields(start, end)

        def get_data_blocking(self, *args: Any) -> Any:
            return good.get_data(*args)

    check(Blocking())


class Offers(Good):
    """Server that offers every operator."""

    operators = frozenset(OPERATORS)

    def get_data(self, *args: Any, operator: str | None = None) -> Any:
        if operator is None:
            return super().get_data(*args)
        field, start, end, stride = args
        reply = super().get_data(field, start, end)
        for name, timeline in reply["timeline"].items():
            mine = {each: reply["data"][each] for each in field if self.values[each][0] == name}
            timeline["t"], made = aggregate(timeline["t"], mine, stride, operator, self.range(start, end)[0])
            reply["data"].update(made)
        return reply


def test_a_server_that_offers_operators_passes() -> None:
    check(Offers())


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_that_makes_something_else_is_named(operator: str) -> None:
    class Mistaken(Offers):
        operators = frozenset({operator})

        def get_data(self, *args: Any, operator: str | None = None) -> Any:
            reply = super().get_data(*args, operator=operator)
            if operator is not None:
                reply["data"] = {name: values[1:] * 1.5 + 200 if self.values[name][1] == "number" else values[1:]
                                 for name, values in reply["data"].items()}  # fmt: skip
                for timeline in reply["timeline"].values():
                    timeline["t"] = timeline["t"][1:]
            return reply

    assert breaches(Mistaken()) == {"operators"}


class AnotherOperator(Good):
    operators = frozenset({"median"})


class ThinsInstead(Offers):
    def get_data(self, *args: Any, operator: str | None = None) -> Any:
        return super().get_data(*args)


class IncludesEnd(Good):
    def range(self, start: float, end: float) -> tuple[float, float]:
        start, end = super().range(start, end)
        return start, np.nextafter(end, np.inf)


class ExcludesStart(Good):
    def range(self, start: float, end: float) -> tuple[float, float]:
        start, end = super().range(start, end)
        return np.nextafter(start, np.inf), end


class IgnoresRange(Good):
    def range(self, start: float, end: float) -> tuple[float, float]:
        return 0.0, np.inf


class RelativeTheWrongWayRound(Good):
    def range(self, start: float, end: float) -> tuple[float, float]:
        return tuple(t if t > 0 else NOW - t * (t < 0) for t in (start, end))  # type: ignore[return-value]


class RefusesUnknownField(Good):
    def get_data(self, field: list[str], *args: Any) -> Any:
        for name in field:
            self.values[name]
        return super().get_data(field, *args)


class OmitsUnknownField(Good):
    def get_data(self, field: list[str], *args: Any) -> Any:
        return super().get_data([name for name in field if name in self.values], *args)


class AnswersAllFields(Good):
    def get_data(self, field: list[str], *args: Any) -> Any:
        return super().get_data(list(dict.fromkeys([*field, *self.values])), *args)


class IgnoresMinStride(Good):
    def get_data(self, field: list[str], start: float, end: float, min_stride: float | None = None) -> Any:
        return super().get_data(field, start, end)


class TakesEveryNth(Good):
    def get_data(self, field: list[str], start: float, end: float, min_stride: float | None = None) -> Any:
        reply = super().get_data(field, start, end)
        if min_stride:
            for timeline, content in reply["timeline"].items():
                nth = int(np.ceil(min_stride / np.diff(self.t[timeline])[0]))
                content["t"] = content["t"][::nth]
                for name in field:
                    if name in self.values and self.values[name][0] == timeline:
                        reply["data"][name] = reply["data"][name][::nth]
        return reply


class EveryTimeline(Good):
    def get_data(self, *args: Any) -> Any:
        reply = super().get_data(*args)
        for timeline in self.t:
            reply["timeline"].setdefault(timeline, {"t": [], "finalized_until": None})
        return reply


class WrongLength(Good):
    def get_data(self, *args: Any) -> Any:
        reply = super().get_data(*args)
        if "wave" in reply["data"]:
            reply["data"]["wave"] = reply["data"]["wave"][1:]
        return reply


class Disorder(Good):
    def get_data(self, *args: Any) -> Any:
        reply = super().get_data(*args)
        for content in reply["timeline"].values():
            content["t"] = content["t"][::-1]
        return reply


class NeverFinal(Good):
    def get_data(self, *args: Any) -> Any:
        reply = super().get_data(*args)
        self.values["wave"][2][:] += 1.0
        for content in reply["timeline"].values():
            content["finalized_until"] = NOW
        return reply


class FinalizedByDate(Good):
    def get_data(self, *args: Any) -> Any:
        reply = super().get_data(*args)
        for content in reply["timeline"].values():
            content["finalized_until"] = "2023-11-14"
        return reply


class TypeOtherThanSaid(Good):
    def __init__(self) -> None:
        super().__init__()
        self.values["state"] = ("slow", "number", self.values["state"][2])
        self.values["on"] = ("slow", "number", self.values["on"][2])


class HidesFields(Good):
    def get_fields(self, start: float, end: float) -> Any:
        return super().get_fields(start, end) if (start, end) == (1, 0) else ({}, {})


class TimelineWithoutItsField(Good):
    def get_fields(self, start: float, end: float) -> Any:
        fields, timelines = super().get_fields(start, end)
        timelines["fast"]["field"].remove("hole")
        return fields, timelines


class AbsentTimeline(Good):
    def get_fields(self, start: float, end: float) -> Any:
        fields, timelines = super().get_fields(start, end)
        del timelines["slow"]
        return fields, timelines


class TooMuchAsNone(Good):
    def get_data(self, *args: Any) -> Any:
        return None


class TooMuch(Good):
    def get_data(self, *args: Any) -> Any:
        return False


class Empty(Good):
    def get_fields(self, start: float, end: float) -> Any:
        return {}, {}


@pytest.mark.parametrize(
    ("server", "rule"),
    [
        (IncludesEnd, "half_open"),
        (ExcludesStart, "half_open"),
        (IgnoresRange, "half_open"),
        (IgnoresRange, "empty_range"),
        (RelativeTheWrongWayRound, "relative_times"),
        (RefusesUnknownField, "unknown_field"),
        (OmitsUnknownField, "unknown_field"),
        (AnswersAllFields, "only_asked_fields"),
        (IgnoresMinStride, "min_stride"),
        (TakesEveryNth, "extremes"),
        (EveryTimeline, "timeline_with_data"),
        (WrongLength, "data_have_their_shape"),
        (Disorder, "data_have_their_shape"),
        (NeverFinal, "finalized_until"),
        (FinalizedByDate, "data_have_their_shape"),
        (TypeOtherThanSaid, "types"),
        (HidesFields, "listed"),
        (TimelineWithoutItsField, "fields_have_their_shape"),
        (AbsentTimeline, "fields_have_their_shape"),
        (TooMuchAsNone, "data_have_their_shape"),
        (TooMuch, "too_much"),
        (Empty, "fields_have_their_shape"),
        (AnotherOperator, "operators"),
        (ThinsInstead, "operators"),
    ],
)
def test_a_broken_rule_is_named(server: type[Good], rule: str) -> None:
    assert rule in breaches(server())


def test_every_nth_sample_breaks_nothing_but_the_extremes() -> None:
    assert breaches(TakesEveryNth()) == {"extremes"}


def test_the_failure_is_a_sentence_for_people() -> None:
    with pytest.raises(ContractError, match=r"half_open: get_data\(.*a range is half-open"):
        check(IncludesEnd())


def test_an_error_in_the_server_is_shown_with_the_question() -> None:
    class Raises(Good):
        def get_data(self, *args: Any) -> Any:
            raise ZeroDivisionError("no points")

    with pytest.raises(ContractError, match=r"get_data\(.*ZeroDivisionError: no points"):
        check(Raises())


def test_the_clock_of_the_host_is_used_when_none_is_given() -> None:
    class Live(Good):
        def __init__(self) -> None:
            super().__init__()
            self.t = {name: t + time.time() - NOW for name, t in self.t.items()}

        def range(self, start: float, end: float) -> tuple[float, float]:
            return time_range(start, end)

    check_contract(Live())
