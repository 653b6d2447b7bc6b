"""The bridge: HTTP clients such as Grafana on one side, data servers over WAMP on the other.

A request's way: `listener` (a Twisted HTTP server hands it on) -> `quicklook.serving` (the page) and `compression` ->
`application` (Bottle finds the handler) -> a front-end: `query` (with `simplejson` and `simpod`), `graphite`, `flat`,
`health` (what the client says; with `reading`, `rows` and `targets`) -> `crossing` (where a handler waits for the
reactor) -> `planner` (calls to data servers, through `asking` and `servers`, with the memory of `catalogue` and the
`operators` that a server lacks) -> `series` (samples as they are drawn) -> `encoders` (bytes). A front-end more is
one file with its routes, one line in `server`, and its part of the description in `openapi`.
"""
