"""Write the folder of a new site, for people to fill in: `make new-site NAME=yale`.

Needs Python alone. What is written is a copy of `inventories/template`, which has the site's name.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

from scaffold.__main__ import ROOT, Refused

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_NEXT = """\
Written: inventories/{name}
Say in hosts.yml which machine it is, and in group_vars/all.yml what runs there. Then
  ./appliance validate {name}   looks whether all is right, and changes nothing
  ./appliance site {name}       puts it in place
Somebody who ran the original has the folder written from its files: ./appliance migrate FOLDER {name}
"""


def write_site(root: Path, name: str) -> Path:
    """Copy the template.

    Parameters
    ----------
    root
        The checkout.
    name
        Of the site.

    Returns
    -------
    The new folder.

    Raises
    ------
    Refused
        The name is none, or there is such a site.
    """
    if not _NAME.fullmatch(name):
        raise Refused(f"{name!r} is no name of a site; take letters, digits, _ and -, a letter first")
    target = root / "inventories" / name
    if target.exists():
        raise Refused(f"inventories/{name} exists already; take another name, or change what is there")
    shutil.copytree(root / "inventories/template", target, ignore=shutil.ignore_patterns("__pycache__", "*~"))
    for path in target.rglob("*.yml"):
        text = path.read_text(encoding="utf-8")
        text = text.replace("site_name: observatory\n", f"site_name: {name}\n")
        text = text.replace("`make new-site NAME=yale` copies this folder to inventories/yale.\n", "\n")
        path.write_text(
            re.sub(r"(\./appliance \w+) NAME\b", rf"\1 {name}", text).replace(" \n", "\n"), encoding="utf-8"
        )
    return target


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="make new-site", description="Write the folder of a new site.")
    parser.add_argument("name", metavar="NAME", help="of the site")
    given = parser.parse_args()
    try:
        write_site(ROOT, given.name)
    except Refused as refusal:
        sys.exit(f"new-site: {refusal}.")
    sys.stdout.write(_NEXT.format(name=given.name))


if __name__ == "__main__":
    main()
