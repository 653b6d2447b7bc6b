"""Let supervisor try a program that fails again within a minute, however often it has failed.

Supervisor waits a second longer from one attempt to the next: for a program that has failed a day long, seven minutes,
and for one that gave up, for ever. supervisord loads this module as an RPC interface that offers nothing to call.
"""

from supervisor import events
from supervisor.supervisord import Supervisor

LONGEST = 60
"""Seconds between two attempts."""


class Patience:
    """Offers nothing to call; supervisord asks for an object."""


def make_rpcinterface(_supervisord: Supervisor) -> Patience:
    """Serve as factory to supervisord, which finds this name in its configuration."""
    events.subscribe(events.ProcessStateBackoffEvent, shorten)
    return Patience()


def shorten(event: events.ProcessStateBackoffEvent) -> None:
    """Shorten the wait that begins."""
    process = event.process
    if process.backoff > LONGEST:
        process.delay -= process.backoff - LONGEST
        process.backoff = LONGEST
