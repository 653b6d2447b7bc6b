"""Replies are compressed below /api/v1/, for those who can read it, and say the same."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
import zstandard

DECODED: dict[str | None, Callable[[bytes], bytes]] = {
    "zstd": zstandard.decompress,
    "gzip": gzip.decompress,
    None: bytes,
}
DATA = "/api/v1/data?field=good::a&field=good::b&from=1700000000&to=1700000600"


@pytest.mark.parametrize(
    ("spoken", "encoding"),
    [("gzip, deflate, br, zstd", "zstd"), ("gzip", "gzip"), ("zstd;q=0, GZIP;q=0.1", "gzip"), ("br", None), ("", None)],
)
def test_a_long_reply_is_compressed_as_the_client_reads_it(
    serve: Callable[..., Any], nodes: Any, spoken: str, encoding: str | None
) -> None:
    with serve({"good": nodes.good()}) as bridge:
        plain = bridge.ask(DATA)
        reply = bridge.ask(DATA, headers={"Accept-Encoding": spoken})
    assert reply.headers.get("Content-Encoding") == encoding
    assert json.loads(DECODED[encoding](reply.body)) == plain.json
    assert len(reply.body) == int(reply.headers["Content-Length"])
    assert encoding is None or len(reply.body) < len(plain.body) / 3


def test_a_short_one_and_what_grafana_asks_go_as_they_are(serve: Callable[..., Any], nodes: Any) -> None:
    with serve({"good": nodes.good()}) as bridge:
        for path, body in (("/api/v1/nodes", None), ("/search", {"target": ""}), ("/query", nodes.request("good::a"))):
            reply = bridge.ask(path, body, headers={"Accept-Encoding": "gzip, zstd"})
            assert "Content-Encoding" not in reply.headers
            assert reply.json


def test_a_refusal_keeps_its_status(serve: Callable[..., Any]) -> None:
    with serve({}) as bridge:
        reply = bridge.ask(f"/api/v1/data?{'x' * 2000}=1", headers={"Accept-Encoding": "gzip"})
    assert reply.status == 400
