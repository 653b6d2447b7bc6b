"""How the page is handed out: to whom, how small, how long it may be kept, and what is said when there is none."""

import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from services.bridge.quicklook.serving import Page, with_page

SCRIPT = "quicklook-ABC.js"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a build leaves."""
    for name in ("index.html", SCRIPT, "style-ABC.css"):
        (tmp_path / name).write_bytes(b"plain " + name.encode())
        (tmp_path / f"{name}.gz").write_bytes(b"gzip")
        (tmp_path / f"{name}.br").write_bytes(b"br")
    return tmp_path


def other(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"the application: ", environ["PATH_INFO"].encode()]


class Asked:
    """The reply to one request."""

    def __init__(self, folder: Path, path: str, method: str = "GET", **headers: str) -> None:
        said: list[Any] = []
        environ = {"PATH_INFO": path, "REQUEST_METHOD": method, **{f"HTTP_{k}": v for k, v in headers.items()}}
        self.body = b"".join(with_page(other, Page(folder))(environ, lambda *head: said.append(head)))
        self.status = int(said[0][0].split()[0])
        self.headers: dict[str, str] = dict(said[0][1])


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("TEXT/HTML;q=0.5", True),
        ("*/*", False),
        ("application/json, text/plain, */*", False),
        ("text/html;q=0, application/json", False),
        ("text/html;q=0.0", False),
        ("", False),
    ],
)
def test_the_root_is_the_page_for_those_who_accept_html_by_name(folder: Path, accept: str, page: bool) -> None:
    body = Asked(folder, "/", ACCEPT=accept).body
    assert body == (b"plain index.html" if page else b"the application: /")


def test_all_other_paths_are_the_application_s(folder: Path) -> None:
    for path in ("/query", "/api/v1/nodes", "/quicklooks", "/health/live"):
        assert Asked(folder, path, ACCEPT="text/html").body == b"the application: " + path.encode()


@pytest.mark.parametrize(
    ("spoken", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("deflate", None),
        ("", None),
    ],
)
def test_it_goes_in_the_smallest_form_that_the_browser_reads(folder: Path, spoken: str, encoding: str | None) -> None:
    asked = Asked(folder, f"/quicklook/{SCRIPT}", ACCEPT_ENCODING=spoken)
    assert asked.headers.get("Content-Encoding") == encoding
    assert asked.body == (encoding.encode() if encoding else b"plain " + SCRIPT.encode())
    assert asked.headers["Content-Length"] == str(len(asked.body))
    assert "Accept-Encoding" in asked.headers["Vary"]


def test_what_has_its_digest_in_its_name_is_kept_for_ever_and_the_page_is_asked_for_again(folder: Path) -> None:
    script, page = Asked(folder, f"/quicklook/{SCRIPT}"), Asked(folder, "/quicklook")
    assert "immutable" in script.headers["Cache-Control"]
    assert page.headers["Cache-Control"] == "no-cache"
    again = Asked(folder, "/quicklook", IF_NONE_MATCH=page.headers["ETag"])
    assert (again.status, again.body) == (304, b"")


def test_the_policy_lets_the_browser_reach_nothing_but_the_bridge(folder: Path) -> None:
    policy = Asked(folder, "/quicklook").headers["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert "unsafe" not in policy
    assert Asked(folder, "/quicklook").headers["X-Content-Type-Options"] == "nosniff"


def test_a_head_has_no_body_and_a_post_is_refused(folder: Path) -> None:
    head = Asked(folder, "/quicklook", method="HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", "16")
    post = Asked(folder, "/quicklook", method="POST")
    assert (post.status, post.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("name", ["nothing.js", "../secret", "%2e%2e/secret", f"{SCRIPT}.gz", "<script>", "a/b"])
def test_there_is_nothing_besides_what_was_built(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_text("secret")
    asked = Asked(folder, f"/quicklook/{name}")
    assert asked.status == 404
    assert b"secret" not in asked.body.replace(name.encode(), b"")
    assert asked.headers["Content-Type"].startswith("text/plain")


def test_the_path_with_a_slash_leads_to_the_one_without(folder: Path) -> None:
    asked = Asked(folder, "/quicklook/")
    assert (asked.status, asked.headers["Location"]) == (308, "../quicklook")


def test_without_a_page_it_is_said_what_to_do_and_the_root_is_the_application_s(tmp_path: Path) -> None:
    asked = Asked(tmp_path / "absent", "/quicklook")
    assert asked.status == 503
    assert b"sisock_quicklook: true" in asked.body
    assert asked.headers["Cache-Control"] == "no-store"
    assert Asked(tmp_path / "absent", "/quicklook/x.js").status == 503
    assert Asked(tmp_path / "absent", "/", ACCEPT="text/html").body == b"the application: /"


def test_a_page_that_is_built_later_is_handed_out_without_a_restart(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "later"
    app = with_page(other, Page(place))

    def ask() -> bytes:
        return b"".join(app({"PATH_INFO": "/quicklook", "REQUEST_METHOD": "GET"}, lambda *_head: None))

    assert b"is not built" in ask()
    place.mkdir()
    for path in list(folder.glob("*.*")):
        path.rename(place / path.name)
    assert ask() == b"plain index.html"
    (place / "index.html").unlink()
    assert b"is not built" in ask()


def test_what_is_built_says_the_same_in_each_encoding(built: Path) -> None:
    for path in built.glob("*.gz"):
        assert gzip.decompress(path.read_bytes()) == path.with_suffix("").read_bytes()
    assert {path.suffix for path in built.iterdir()} == {".html", ".js", ".css", ".gz", ".br"}
