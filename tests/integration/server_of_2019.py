"""A data server as they were written in 2019: nothing of this project, only the contract on the wire.

It trusts `.crossbar/server_cert.pem` in its working directory and takes all else from its environment.
"""

import os
import time

from autobahn.twisted.wamp import ApplicationRunner, ApplicationSession
from autobahn.wamp import auth
from OpenSSL import crypto
from twisted.internet import ssl
from twisted.internet._sslverify import OpenSSLCertificateAuthorities
from twisted.internet.defer import inlineCallbacks

BASE = "org.simonsobservatory"
START = time.time()


class Server(ApplicationSession):
    name = "of_2019"

    def onConnect(self):
        self.join(self.config.realm, ["wampcra"], os.environ["WAMP_USER"])

    def onChallenge(self, challenge):
        with open(os.environ["WAMP_SECRET_FILE"]) as secret:
            key = os.environ.get("WAMP_SECRET", secret.read())
        return auth.compute_wcs(key.encode("utf8"), challenge.extra["challenge"].encode("utf8")).decode("ascii")

    @inlineCallbacks
    def onJoin(self, details):
        yield self.register(self.get_fields, f"{BASE}.consumer.{self.name}.get_fields")
        yield self.register(self.get_data, f"{BASE}.consumer.{self.name}.get_data")
        yield self.call(f"{BASE}.data_node.add", self.name, "Written in 2019.", details.session)

    def get_fields(self, start, end):
        field = {"channel_1": {"description": None, "timeline": "t1", "type": "number", "units": "K"}}
        return field, {"t1": {"interval": 1.0, "field": ["channel_1"]}}

    def get_data(self, field, start, end, min_stride=None):
        t = [START - 60 + second for second in range(60)]
        return {
            "data": {name: ([float(n) for n in range(60)] if name == "channel_1" else []) for name in field},
            "timeline": {"t1": {"t": t, "finalized_until": t[-1]}},
        }


if __name__ == "__main__":
    with open(".crossbar/server_cert.pem") as pem:
        cert = crypto.load_certificate(crypto.FILETYPE_PEM, pem.read())
    options = ssl.CertificateOptions(trustRoot=OpenSSLCertificateAuthorities([cert]))
    uri = f"wss://{os.environ['CROSSBAR_HOST']}:{os.environ['CROSSBAR_TLS_PORT']}/ws"
    ApplicationRunner(uri, "test_realm", ssl=options).run(Server)
