"""The bridge: HTTP clients such as Grafana on one side, data servers over WAMP on the other.

A request's way: `listener` (a Twisted HTTP server hands it to a thread) -> `application` (Bottle finds the handler)
-> a front-end such as `simplejson` (what the client says; with `reading` and `targets`) -> `crossing` (from the
thread to the reactor) -> `planner` (calls to data servers, through `servers` and with the memory of `catalogue`) ->
`series` (samples as they are drawn) -> `encoders` (bytes). A front-end more is one file with its routes and one line
in `server`.
"""
