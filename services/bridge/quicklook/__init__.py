"""Quicklook: a page of the bridge on which to find fields, plot them and see which data servers are there.

`page` is its source, TypeScript around uPlot; it asks ``/api/v1/*`` and nothing else. `build` makes it on the host,
with what package-lock.json names; `serving` hands it out.
"""
