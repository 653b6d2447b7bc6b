"""A log that people keep as a CSV file: a column of times, then a column for each field, headed `field [units]`."""

import csv
import re
from datetime import UTC, datetime
from functools import lru_cache
from itertools import zip_longest
from math import isnan, nan
from pathlib import Path

from services.data_nodes.table import Table, TableServer
from sisock.session import run

NUMBER = re.compile(r"[-+]?\d+(\.\d*)?(e[-+]?\d+)?", re.IGNORECASE)


class CsvLog(TableServer):
    name = "csv_log"
    description = "A log kept as a CSV file"

    def read(self, start: float, end: float) -> dict[str, Table]:
        file: Path = self.settings["FILE"] or Path(__file__).with_suffix(".csv")
        return {"log": read_log(file, file.stat().st_mtime_ns)}


@lru_cache(maxsize=1)
def read_log(file: Path, _changed: int) -> Table:
    with file.open(newline="", encoding="utf-8", errors="replace") as lines:
        rows = [next(csv.reader([line]), []) for line in lines if len(line) < 10_000]
    (_, *times), *columns = list(zip_longest(*rows, fillvalue="")) or [("time",)]
    heads = [head.partition("[") for head, *_ in columns]
    values = {name.strip(): parsed(cells) for (name, _, _), (_, *cells) in zip(heads, columns, strict=True)}
    return Table(list(map(unix_time, times)), values, {name.strip(): units.strip(" ]") for name, _, units in heads})


def parsed(cells: list[str]) -> list[float] | list[str | None]:
    numbers = [float(cell) if NUMBER.fullmatch(cell.strip()) else nan for cell in cells]
    return [cell or None for cell in cells] if all(map(isnan, numbers)) else numbers


def unix_time(cell: str) -> float:
    try:
        time = datetime.fromisoformat(cell.strip())
    except ValueError:  # a row without a time is left out
        return nan
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


if __name__ == "__main__":
    run(CsvLog)
