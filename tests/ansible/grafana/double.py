#!/usr/bin/python3
"""What the role needs of Grafana, behind its command line.

``grafana server`` reads grafana.ini with its ``$__file{}``, the provisioned data sources and dashboards, takes the
password at its first start only, answers /api/health and /api/search, and passes on what is asked of a data source;
``grafana cli .. admin reset-admin-password`` changes the password. Its database is a JSON file.
"""

import base64
import configparser
import hashlib
import json
import re
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def main():
    options = dict(word[2:].split("=", 1) for word in sys.argv[1:] if word.startswith("--") and "=" in word)
    config = configparser.RawConfigParser(inline_comment_prefixes=("#",))
    config.read_string(Path(options["config"]).read_text())
    Path(options["homepath"], "conf").stat()
    database = Path(config["paths"]["data"]) / "grafana.db"
    if sys.argv[1] == "cli":
        stored = json.loads(database.read_text())
        database.write_text(json.dumps(stored | {"admin": digest(sys.stdin.readline().strip())}))
        return
    if not database.exists():
        database.touch(mode=0o640)
        database.write_text(json.dumps({"admin": digest(expanded(config["security"]["admin_password"]))}))
    if not expanded(config["security"]["secret_key"]):
        sys.exit("the secret key is empty")
    address = config["server"]["http_addr"], config.getint("server", "http_port")
    Handler.database, Handler.provisioning = database, Path(config["paths"]["provisioning"])
    ThreadingHTTPServer(address, Handler).serve_forever()


def expanded(value):
    file = re.fullmatch(r"\$__file\{(.+)\}", value)
    return Path(file[1]).read_text().strip() if file else value


def digest(password):
    return hashlib.sha256(password.encode()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers as Grafana does, where the role asks."""

    database = provisioning = Path()

    def do_GET(self):
        try:
            status, body = self.answer()
        except (OSError, ValueError) as error:
            status, body = 502, json.dumps({"message": str(error)}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def answer(self):
        if self.path == "/api/health":
            return 200, b'{"database": "ok"}'
        password = base64.b64decode(self.headers.get("Authorization", "Basic ")[6:]).decode().partition(":")[2]
        if digest(password) != json.loads(self.database.read_text())["admin"]:
            return 401, b'{"message": "Invalid username or password"}'
        if proxied := re.fullmatch(r"/api/datasources/proxy/uid/([\w-]+)(/.*)", self.path):
            return self.ask(*proxied.groups())
        provider = (self.provisioning / "dashboards/sisock.yaml").read_text()
        folder = Path(re.search(r"^ +path: (.+)$", provider, re.MULTILINE)[1])
        found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
        return 200, json.dumps([{"uid": each["uid"], "title": each["title"]} for each in found]).encode()

    def ask(self, uid, path):
        sources = (self.provisioning / "datasources/sisock.yaml").read_text()
        url = re.search(rf"^ +uid: {uid}$(?:\n .+)*?\n +url: (.+)$", sources, re.MULTILINE)
        if url is None:
            return 404, b'{"message": "Data source not found"}'
        with urllib.request.urlopen(url[1] + path, timeout=10) as reply:
            return reply.status, reply.read()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    main()
