"""Requests as each client sends them (written from its source), replayed: each is answered as the client expects."""

import json
from pathlib import Path
from urllib.parse import urlencode

import pytest

BODIES = Path(__file__).with_name("bodies")
RECORDED = [
    pytest.param(request, id=f"{file.stem} {number} {request['path']}")
    for file in sorted(BODIES.glob("*.json"))
    for number, request in enumerate(json.loads(file.read_text(encoding="utf-8"))["requests"])
]


@pytest.fixture(scope="module")
def site(kinds):
    serving, good, _ = kinds
    servers = {"good": good(names=("a", "b", "a.b/c")), "other": good(names=("a",), units=None)}
    with serving(servers) as bridge:
        bridge.ask("/search", {})
        yield bridge


@pytest.mark.parametrize("recorded", RECORDED)
def test_a_request_of_a_client_is_answered(site, recorded):
    method, body, headers = recorded["method"], recorded.get("body"), None
    if "form" in recorded:
        body, headers = (
            urlencode([tuple(pair) for pair in recorded["form"]]).encode(),
            {"Content-Type": "application/x-www-form-urlencoded"},
        )
    elif method == "POST" and body is None:
        body = b""
    reply = site.ask(recorded["path"], body, method=method, headers=headers)
    assert reply.status == 200, reply.body
    if "expect" in recorded:
        named = [each if isinstance(each, str) else each.get("name", each.get("target")) for each in reply.json]
        assert named == recorded["expect"]


@pytest.mark.parametrize("recorded", [each for each in RECORDED if each.values[0]["path"] == "/query"])
def test_each_series_of_a_reply_bears_the_letter_of_its_row(site, recorded):
    letters = {target["refId"] for target in recorded["body"]["targets"]}
    replies = site.ask("/query", recorded["body"]).json
    assert {reply["refId"] for reply in replies} <= letters
