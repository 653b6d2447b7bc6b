"""Let exported dashboards ask Grafana's own Graphite data source where they asked SimpleJSON.

    .venv/bin/python -m migrate.dashboards exported/*.json

writes a NAME-sisock.json beside each NAME.json, for Grafana's "Import". Grafana dropped the plugin SimpleJSON; the
fields have the names that they had.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from migrate.report import Refused, Report
from sisock.graphite import path_of
from sisock.uris import SEPARATOR

SOURCE = {"type": "graphite", "uid": "sisock"}
_SUFFIX = "-sisock.json"


def converted(dashboard: dict[str, Any], report: Report) -> dict[str, Any]:
    """Return a copy of a dashboard, as Grafana exports it, that asks Graphite.

    A series is called as before, so that what a panel says of it by name still holds.
    """
    copy: dict[str, Any] = json.loads(json.dumps(dashboard))
    # With its number it would take another dashboard's place; by its uid, importing it again makes no second one.
    copy["id"] = None
    where = str(copy.get("title", "untitled"))
    for panel in _panels(copy):
        _convert(panel, f"{where}: {panel.get('title') or 'a panel without a title'}", report)
    if any(not each.get("builtIn") for each in (copy.get("annotations") or {}).get("list") or []):
        report.leave(where, "it has annotations; make them anew (docs/panels.md says what they may ask).")
    if any(each.get("type") == "query" for each in (copy.get("templating") or {}).get("list") or []):
        report.leave(
            where, "it has variables that were asked for; make them anew as queries of the data source sisock."
        )
    return copy


def _panels(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel, also of rows, as dashboards of all ages have them."""
    for row in part.get("rows") or []:
        yield from _panels(row)
    for panel in part.get("panels") or []:
        yield panel
        yield from _panels(panel)


def _convert(panel: dict[str, Any], where: str, report: Report) -> None:
    targets = panel.get("targets") or []
    names = [target.get("target") for target in targets if isinstance(target.get("target"), str)]
    if not any(SEPARATOR in name for name in names):
        return
    panel["datasource"] = SOURCE
    for target in targets:
        name = target.pop("target", None)
        for key in ("type", "data", "payload", "datasource"):
            if target.pop(key, None) == "table":
                report.leave(
                    where, "it asked for a table; Graphite has numbers only, text is shown by simPod's plugin."
                )
        target["datasource"] = SOURCE
        if not isinstance(name, str) or SEPARATOR not in name:
            report.leave(where, f"the row {target.get('refId', '?')} was not understood; it is left without a query.")
            continue
        if "$" in name or any(letter in name for letter in "*{}()[]|;"):
            report.leave(
                where, f"the row {target.get('refId', '?')} stands for several fields; look whether it finds them."
            )
            target["target"] = name.replace(SEPARATOR, ".", 1)
        else:
            quote = '"' if "'" in name else "'"
            target["target"] = f"alias({path_of(name)}, {quote}{name}{quote})"
        target["textEditor"] = True
    report.take(where, f"{len(names)} rows")


def convert_file(path: Path, report: Report) -> Path:
    """Write the converted dashboard beside its file; return the new path.

    Raises
    ------
    Refused
        The file holds no dashboard.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refused(f"{path} cannot be read: {error}") from error
    # Grafana's API puts the dashboard into an envelope.
    dashboard = document.get("dashboard", document) if isinstance(document, dict) else None
    if not isinstance(dashboard, dict) or not {"panels", "rows"} & set(dashboard):
        raise Refused(f"{path} is no dashboard: it has neither panels nor rows")
    target = path.with_name(path.stem + _SUFFIX)
    target.write_text(json.dumps(converted(dashboard, report), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return target


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m migrate.dashboards", description="Let dashboards ask Graphite.")
    parser.add_argument("files", metavar="FILE.json", nargs="+", type=Path, help="a dashboard as Grafana exports it")
    report = Report()
    try:
        written = [convert_file(path, report) for path in parser.parse_args().files if not path.name.endswith(_SUFFIX)]
    except Refused as refusal:
        sys.exit(f"migrate.dashboards: {refusal}.")
    sys.stdout.writelines(f"{path}\n" for path in written)
    if report.left:
        sys.stdout.write("Left to do or to look at:\n")
        sys.stdout.writelines(f"  {line}\n" for line in report.left)


if __name__ == "__main__":
    main()
