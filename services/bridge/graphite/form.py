"""Parameters of a request, from its address and from its body, as HTML forms send them."""

from urllib.parse import parse_qsl

from services.bridge.handling import Call
from services.bridge.refusal import unreadable

_MOST_PARAMETERS = 10_000


class Form:
    """All parameters of a call, by name.

    Raises
    ------
    Refused
        There are too many.
    """

    def __init__(self, call: Call) -> None:
        self._values: dict[str, list[str]] = {name: list(values) for name, values in call.parameters.items()}
        body = call.body.decode("utf-8", "replace")
        try:
            pairs = parse_qsl(body, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
        except ValueError:
            raise unreadable(f"the body has more than {_MOST_PARAMETERS} parameters; send fewer") from None
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def all(self, name: str) -> list[str]:
        """All values of a parameter that are not blank."""
        return [value for value in self._values.get(name, []) if value.strip()]

    def one(self, name: str, default: str = "") -> str:
        """The last value of a parameter."""
        return [default, *self.all(name)][-1].strip()
