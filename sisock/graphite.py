"""Names of fields as paths of Graphite's tree: ``node::a.b c`` is ``node.a.b~20c``.

Levels are parted by dots; the first is the data server, whose name has none. Letters, digits, ``_``, ``-`` and ``:``
stay; every other byte (UTF-8) of a field's name is written as ``~`` and two hexadecimal digits, and so is a dot that
would make an empty level. Not ``%``: Grafana's browser part sends what it looks for without encoding it, so that a
``%20`` would arrive as a blank.
"""

import re

from sisock.uris import SEPARATOR

_MEANS_SOMETHING = re.compile(rb"[^A-Za-z0-9_:.-]|^\.|\.(?=\.|\Z)")
_PLAIN = re.compile(r"[A-Za-z0-9_-]+::[A-Za-z0-9_-]+(?:[.:][A-Za-z0-9_-]+)*")
_ESCAPED = re.compile(rb"~([0-9A-Fa-f]{2})")


def path_of(name: str) -> str:
    """Write the name of a field, ``node::field``, as a path that no glob and no function call can misread."""
    if _PLAIN.fullmatch(name):
        return name.replace(SEPARATOR, ".", 1)
    node, _, field = name.partition(SEPARATOR)
    raw = field.encode("utf-8", "surrogatepass")
    return f"{node}.{_MEANS_SOMETHING.sub(lambda byte: b'~%02X' % byte[0][0], raw).decode('ascii')}"


def name_of(path: str) -> str:
    """Name of the field that has this path; of one that no field has, a name that no field has."""
    node, _, rest = path.partition(".")
    return f"{node}{SEPARATOR}{readable(rest)}"


def readable(levels: str) -> str:
    """Levels of a path as they stand in the name of the field."""
    raw = _ESCAPED.sub(lambda escaped: bytes.fromhex(escaped[1].decode()), levels.encode("utf-8", "surrogatepass"))
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace")
