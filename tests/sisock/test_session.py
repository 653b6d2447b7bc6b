import pytest
from autobahn.wamp import auth
from autobahn.wamp.types import Challenge, ComponentConfig

from sisock.config import Router
from sisock.errors import SisockError
from sisock.session import Backoff, RouterSession


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
