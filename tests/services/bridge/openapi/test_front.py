"""The description holds for whatever is asked: requests made of it, by the hundreds, and each answer held against it.

SISOCK_API_EXAMPLES says how many requests are made for each operation, 20 when it is not set; 520 make over 10,000.
"""

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import negative_data_rejection, positive_data_acceptance
from schemathesis.config import SchemathesisConfig
from twisted.internet.task import Clock

from services.bridge import server
from services.bridge.openapi.front import document
from sisock.client import Consumer
from sisock.config import declared_options, load_settings

EXAMPLES = int(os.environ.get("SISOCK_API_EXAMPLES", "20"))
REFUSED = {"negative_data_rejection": {"expected-statuses": ["400", "404", "405", "413", "415"]}}
SCHEMA = schemathesis.openapi.from_dict(document(), config=SchemathesisConfig.from_dict({"checks": REFUSED}))


@pytest.fixture(scope="module")
def standing(kinds, tmp_path_factory):
    serving, good, _ = kinds
    page = tmp_path_factory.mktemp("quicklook")
    for name in ("index.html", "index.html.br", "index.html.gz"):
        (page / name).write_text("the page")
    servers = {
        "weather": good(names=("apex_pressure", "pwv é")),
        "text": good(lambda t: [f"w{x:.0f}" for x in t], kind="string"),
        "data_feed": good(lambda t: [bool(x % 2) for x in t], kind="bool", names=("a",)),
    }
    with serving(servers, QUICKLOOK=page) as bridge:
        yield bridge


@SCHEMA.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_every_answer_is_as_described(case, standing):
    # Times, patterns and expressions may be bad though they are text, and what Grafana's data sources send and we do
    # not know is left alone.
    excluded = [positive_data_acceptance, *([negative_data_rejection] if "grafana" in case.operation.tags else [])]
    case.call_and_validate(base_url=f"http://127.0.0.1:{standing.port}", excluded_checks=excluded)


def test_all_that_the_bridge_answers_is_described_and_nothing_else(monkeypatch):
    answered = set()

    def application(front_ends):
        answered.update((route.path, route.method.lower()) for each in front_ends for route in each.routes())

    monkeypatch.setattr(server, "application", application)
    server.bridge(Consumer(), Clock(), load_settings(declared_options("services.bridge", "service.yml"), {}))
    described = {(path, method) for path, methods in document()["paths"].items() for method in methods}
    assert described - {("/quicklook", "get")} == answered


def test_the_description_is_handed_out(serve):
    with serve({}) as bridge:
        reply = bridge.ask("/api/v1/openapi.json")
    assert reply.json == document()
    assert reply.json["openapi"].startswith("3.1")
