"""A reply serves, for a moment, all that ask in the very same words; and nobody else."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

import pytest

from services.bridge.application import STARTED
from services.bridge.replies import _MOST_BYTES, _MOST_REPLIES, REMEMBERED_SECONDS, remembered

BEGIN = 1000.0


class Counting:
    """An application that numbers its replies."""

    def __init__(self, status: str = "200 OK", content: bytes = b"reply") -> None:
        self.asked: list[bytes] = []
        self._status, self._content = status, content
        self._app = remembered(self._answer)

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.asked.append(environ["wsgi.input"].read())
        start_response(self._status, [("X-Number", str(len(self.asked)))])
        return [self._content]

    def ask(self, body: bytes = b"{}", after: float = 0.0, **spoken: str) -> tuple[str, str, bytes]:
        said: list[Any] = []
        environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/query", "QUERY_STRING": "", STARTED: BEGIN + after}
        parts = self._app(environ | {"wsgi.input": BytesIO(body)} | spoken, lambda *head: said.append(head))
        (status, [(_, number)]), *_ = said
        return status, number, b"".join(parts)


def test_the_same_words_get_the_same_reply_within_a_moment() -> None:
    app = Counting()
    assert app.ask(b"a") == app.ask(b"a", after=REMEMBERED_SECONDS * 0.9) == ("200 OK", "1", b"reply")
    assert app.asked == [b"a"]


def test_later_they_are_answered_anew() -> None:
    app = Counting()
    assert [app.ask(after=after)[1] for after in (0.0, REMEMBERED_SECONDS, 1.5 * REMEMBERED_SECONDS)] == ["1", "2", "2"]


@pytest.mark.parametrize(
    "other",
    [{"body": b"b"}, {"PATH_INFO": "/render"}, {"QUERY_STRING": "x=1"}, {"REQUEST_METHOD": "GET"},
     {"HTTP_ORIGIN": "http://here"}, {"HTTP_ACCEPT_ENCODING": "gzip"}, {"CONTENT_TYPE": "text/plain"}],
)  # fmt: skip
def test_other_words_get_a_reply_of_their_own(other: dict[str, Any]) -> None:
    app = Counting()
    app.ask()
    assert app.ask(**other)[1] == "2"
    assert app.ask()[1] == "1"


def test_what_is_no_question_for_samples_is_always_asked() -> None:
    app = Counting()
    assert [app.ask(PATH_INFO="/search")[1] for _ in range(2)] == ["1", "2"]


@pytest.mark.parametrize(
    ("status", "content"),
    [("503 Service Unavailable", b"no"), ("200 OK", b""), ("200 OK", b"x" * (_MOST_BYTES + 1))],
    ids=["refused", "client gone", "too long"],
)
def test_what_is_no_good_reply_is_forgotten(status: str, content: bytes) -> None:
    app = Counting(status, content)
    assert [app.ask() for _ in range(2)] == [(status, "1", content), (status, "2", content)]


def test_few_are_remembered() -> None:
    app = Counting()
    for number in range(_MOST_REPLIES + 1):
        app.ask(b"%d" % number)
    assert app.ask(b"1")[1] == "2"
    assert app.ask(b"0")[1] == str(_MOST_REPLIES + 2)
