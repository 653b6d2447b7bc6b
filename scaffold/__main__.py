"""Write a data server that works as it stands: `./appliance new-server NAME [--site SITE]`.

Needs Python alone. What is written is a copy of `built_in/` or `site_local/`, in which `skeleton` stands for the name.
"""

import argparse
import difflib
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
LONGEST = 24
"""Of more letters, lines of the copies would be too long."""

BUILT_IN = {
    "server.py": "services/data_nodes/{name}/server.py",
    "source.py": "services/data_nodes/{name}/source.py",
    "server.yml": "services/data_nodes/{name}/server.yml",
    "__init__.py": "services/data_nodes/{name}/__init__.py",
    "__main__.py": "services/data_nodes/{name}/__main__.py",
    "example.py": "tests/services/data_nodes/{name}/example.py",
    "test_source.py": "tests/services/data_nodes/{name}/test_source.py",
}
SITE_LOCAL = {
    "skeleton.py": "inventories/{site}/servers/{name}.py",
    "skeleton.yml": "inventories/{site}/servers/{name}.yml",
    "test_skeleton.py": "inventories/{site}/servers/test_{name}.py",
}
PURPOSES = {
    "skeleton.py": "the server; change `read` first",
    "skeleton.yml": "its settings: their kinds, defaults and explanations",
    "test_skeleton.py": "its tests",
    "server.py": "what WAMP asks goes to the source",
    "source.py": "where the samples come from; change `read` first",
    "server.yml": "its settings: their kinds, defaults and explanations",
    "__init__.py": "what it serves, in a line",
    "__main__.py": "starts it",
    "example.py": "the server with data, for the tests that every server passes",
    "test_source.py": "tests of the source",
}
ENTRY = """\
  - name: {name}
    type: {name}
    description: A wave that is computed
    settings:
      INTERVAL: 60
"""


class Refused(Exception):
    """Nothing was written; the sentence says why, and what to do."""


def write_server(root: Path, name: str, site: str) -> dict[str, str]:
    """Write the files of a data server.

    Parameters
    ----------
    root
        The checkout.
    name
        Of the server's type.
    site
        Folder of `inventories` whose own it is; empty for one that is built in.

    Returns
    -------
    Path of each file, relative to `root`, with its purpose.

    Raises
    ------
    Refused
        The name or the site is none, or something is there already.
    """
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise Refused(
            f"{name!r} is no name of a type; take up to {LONGEST} small letters, digits and _, a letter first"
        )
    sites = sorted(path.name for path in (root / "inventories").iterdir() if path.is_dir())
    if site and site not in sites:
        near = difflib.get_close_matches(site, sites, n=1)
        meant = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sites)}; copy template for a new one"
        raise Refused(f"there is no site {site!r}: {meant}")
    kind, files = ("site_local", SITE_LOCAL) if site else ("built_in", BUILT_IN)
    targets = {source: root / target.format(name=name, site=site) for source, target in files.items()}
    built_in = root / "services/data_nodes" / name
    taken = [path for path in (built_in, built_in.with_suffix(".py"), *targets.values()) if path.exists()]
    if taken:
        raise Refused(f"{taken[0].relative_to(root)} exists already; take another name, or change what is there")
    for source, target in targets.items():
        text = (Path(__file__).parent / kind / source).read_text(encoding="utf-8")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_renamed(text, name, site), encoding="utf-8")
    return {str(target.relative_to(root)): PURPOSES[source] for source, target in targets.items()}


def _renamed(text: str, name: str, site: str) -> str:
    camel = "".join(part.capitalize() for part in name.split("_"))
    text = text.replace("Skeleton", camel).replace("skeleton", name).replace("SITE", site)
    return re.sub(r"(?:^from services\.\S+ import .*\n)+", _sorted, text, flags=re.MULTILINE)


def _sorted(imports: "re.Match[str]") -> str:
    return "".join(sorted(imports[0].splitlines(keepends=True), key=lambda line: line.split()[1]))


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="./appliance new-server", description="Write a data server that works.")
    parser.add_argument("name", metavar="NAME", help="of the server's type, for instance cold_head")
    parser.add_argument("--site", default="", help="the site whose own it is; without it, one that is built in")
    given = parser.parse_args()
    try:
        written = write_server(ROOT, given.name, given.site)
    except Refused as refusal:
        sys.exit(f"new-server: {refusal}.")
    width = max(map(len, written))
    lines = [f"  {path:{width}}  {purpose}" for path, purpose in written.items()]
    site = given.site or "SITE"
    print(  # noqa: T201 - for the person who called
        "Written:",
        *lines,
        f"Add it to sisock_servers in inventories/{site}/group_vars/all.yml:",
        ENTRY.format(name=given.name).rstrip(),
        f"Put it in place with ./appliance site {site}, and go on with docs/add-a-data-server.md.",
        sep="\n",
    )


if __name__ == "__main__":
    main()
