import pytest
from autobahn.wamp import auth
from autobahn.wamp.types import Challenge, ComponentConfig, SessionDetails

from sisock.backoff import Backoff
from sisock.config import Router
from sisock.errors import SisockError
from sisock.session import RouterSession


def session(secret: str = "hush") -> RouterSession:
    router = Router.from_environ({"WAMP_SECRET": secret})
    return RouterSession(ComponentConfig(realm="r", extra={"router": router}))


def test_delays_grow_to_five_seconds_and_are_short_again_after_a_join() -> None:
    backoff = Backoff()
    delays = [backoff(1) for _ in range(40)]
    assert delays[0] <= 0.25
    assert 4.0 <= delays[-1] <= 5.0
    backoff.reset()
    assert backoff(1) <= 0.25


def test_the_challenge_is_signed_with_the_secret() -> None:
    signature = session().onChallenge(Challenge("wampcra", {"challenge": "c"}))
    assert signature == auth.compute_wcs(b"hush", b"c").decode()


def test_a_salted_challenge_is_signed_with_the_derived_key() -> None:
    extra = {"challenge": "c", "salt": "s", "iterations": 10, "keylen": 32}
    key = auth.derive_key("hush", "s", 10, 32)
    assert session().onChallenge(Challenge("wampcra", extra)) == auth.compute_wcs(key, b"c").decode()


def test_another_way_to_authenticate_is_refused() -> None:
    with pytest.raises(SisockError, match="asks for 'ticket' authentication"):
        session().onChallenge(Challenge("ticket", {}))


class Leaving(RouterSession):
    """Session whose work fails."""

    left = False

    def begin(self, details: SessionDetails) -> None:
        raise SisockError("the work cannot begin")

    def leave(self, reason: str | None = None, message: str | None = None) -> None:
        self.left = True


def test_a_session_whose_work_cannot_begin_leaves_saying_why() -> None:
    begun: list[object] = []
    session = Leaving(ComponentConfig(realm="r", extra={"begun": begun.append}))
    session.onJoin(None)
    assert session.left
    assert session.ended == "the work cannot begin"
    assert begun == [], "so that it does not knock again without a pause"


def test_a_session_whose_work_has_begun_says_so() -> None:
    begun: list[object] = []
    RouterSession(ComponentConfig(realm="r", extra={"begun": begun.append})).onJoin("details")
    assert begun == ["details"]
