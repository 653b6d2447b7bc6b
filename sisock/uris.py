"""Names on the WAMP realm: procedures and topics of hub, data servers and consumers."""

import re

BASE_URI = "org.simonsobservatory"
"""The lowest level URI of all topics and procedures."""

HUB_ADD = f"{BASE_URI}.data_node.add"
HUB_SUBTRACT = f"{BASE_URI}.data_node.subtract"
GET_DATA_NODE = f"{BASE_URI}.consumer.get_data_node"
NODE_ADDED = f"{BASE_URI}.consumer.data_node_added"
NODE_SUBTRACTED = f"{BASE_URI}.consumer.data_node_subtracted"
ERROR_REFUSED = f"{BASE_URI}.error.refused"
ERROR_SERVER = f"{BASE_URI}.error.server"
ERROR_OPERATOR = f"{BASE_URI}.error.operator"

NODE_NAME = re.compile(r"[A-Za-z0-9_-]+")
"""What the name of a data server may be: it is one component of a URI and stands before `::` in Grafana."""
SEPARATOR = "::"
"""Between the name of a data server and the name of its field."""


def uri(s: str) -> str:
    """Compose a full URI for publish, subscribe or remote calls.

    Parameters
    ----------
    s
        The part below the base, for instance ``"data_node.add"``.

    Returns
    -------
    The string ``"<BASE_URI>.<s>"``.
    """
    return f"{BASE_URI}.{s}"


def get_fields_uri(node: str) -> str:
    """Procedure by which the data server `node` lists its fields."""
    return uri(f"consumer.{node}.get_fields")


def get_data_uri(node: str) -> str:
    """Procedure by which the data server `node` serves its data."""
    return uri(f"consumer.{node}.get_data")


def get_data_packed_uri(node: str) -> str:
    """Procedure by which the data server `node`, when it is of ours, serves its data as `sisock.packing` packs them."""
    return uri(f"consumer.{node}.get_data_packed")


def holds_uri(node: str) -> str:
    """Procedure by which the data server `node`, when it gives revisions, says which of them still hold."""
    return uri(f"consumer.{node}.holds")


def health_uri(node: str) -> str:
    """Topic on which the data server `node` publishes the figures of its own work."""
    return uri(f"data_node.health.{node}")
