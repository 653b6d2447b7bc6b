"""What the bridge says to a request that it does not answer."""

from sisock.errors import SisockError


class Refused(SisockError):
    """A request that cannot be answered: the status and the sentence that its client gets.

    Parameters
    ----------
    status
        HTTP status, 4xx or 5xx.
    code
        One word for programs.
    message
        A sentence for people.
    retry_after
        Seconds after which to try again, where that makes sense.
    """

    def __init__(self, status: int, code: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after = (status, code, message, retry_after)

    @property
    def body(self) -> dict[str, dict[str, str]]:
        """The reply, ``{"error": {"code": .., "message": ..}}``."""
        return {"error": {"code": self.code, "message": self.message}}

    @property
    def headers(self) -> dict[str, str]:
        """Headers that go with the reply."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


def unreadable(message: str) -> Refused:
    """The request does not say what it should."""
    return Refused(400, "bad_request", message)


def unavailable(message: str) -> Refused:
    """Nothing can be answered now, but soon perhaps."""
    return Refused(503, "unavailable", message, retry_after=5)
