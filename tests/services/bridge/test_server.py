"""The bridge as it is put together."""

import math

import pytest
from twisted.internet.task import Clock

from services.bridge.server import bridge
from sisock.client import Consumer
from sisock.config import declared_options, load_settings
from sisock.errors import SettingError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", 0), ("PORT", 70_000), ("SERVER_DEADLINE", math.nan), ("SERVER_DEADLINE", math.inf),
        ("REQUEST_DEADLINE", 0.0), ("SEARCH_DEADLINE", -1.0), ("MAX_BODY", -1), ("MAX_TARGETS", 0),
        ("MAX_REPLY_POINTS", 0), ("MAX_WAITING", 0), ("THREADS", 0),
    ],
)  # fmt: skip
def test_a_setting_with_which_nothing_could_be_answered_is_refused_by_name(name, value):
    settings = load_settings(declared_options("services.bridge", "service.yml"), {})
    with pytest.raises(SettingError, match=name):
        bridge(Consumer(), Clock(), settings | {name: value})
