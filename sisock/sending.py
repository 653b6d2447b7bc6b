"""Send what has been written now, and not at the reactor's next turn."""

from typing import Any

from twisted.internet.abstract import FileDescriptor


def send_now(transport: Any) -> None:
    """Send what waits in a transport of TCP or a Unix socket, as far as its peer takes it; the reactor sends the rest.

    Until the reactor comes to it, Twisted asks the kernel four times, which takes longer than to send a short reply. An
    error stays for the reactor, which meets it again and ends the connection.
    """
    if isinstance(transport, FileDescriptor) and transport.connected and not transport.disconnecting:
        transport.doWrite()
