"""Serve quick-look housekeeping data of an observatory over WAMP.

The author of a data server needs `sisock.base`; its tests, `sisock.testing`; a reader of data, `sisock.bridge`
(over HTTP, from anywhere) or `sisock.client` (over WAMP, with an account).
"""
