"""Hands out what the bridge answers, as an OpenAPI document."""

from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from services.bridge.handling import Call, Route

_PARTS = ("common", "flat", "health", "grafana", "graphite", "quicklook")


class OpenApi:
    """Front-end for ``/api/v1/openapi.json``."""

    def routes(self) -> list[Route]:
        """All calls it answers."""
        return [Route("GET", "/api/v1/openapi.json", self.describe)]

    def describe(self, _call: Call) -> object:
        """Give the document."""
        return document()


@cache
def document() -> dict[str, Any]:
    """Put the parts together: an OpenAPI 3.1 document."""
    whole: dict[str, Any] = {"paths": {}, "components": {}}
    for name in _PARTS:
        part = yaml.safe_load((files("services.bridge.openapi") / f"{name}.yml").read_text(encoding="utf-8"))
        whole["paths"] |= part.pop("paths", {})
        for kind, components in part.pop("components", {}).items():
            whole["components"].setdefault(kind, {}).update(components)
        whole |= part
    return whole
