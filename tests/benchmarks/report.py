"""What was measured, beside what was promised: a Markdown table, a plot, and a JSON file with every figure."""

import operator
import os
import platform
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tests.benchmarks.measure import Times

US, RIVAL = "sisock", "VictoriaMetrics"
BARS = {
    ("1 h", "warm"): 2.0, ("1 h", "cold"): 2.0, ("1 d", "warm"): 2.0, ("1 d", "cold"): 2.0,
    ("7 d", "warm"): 1.0, ("7 d", "cold"): 1.0, ("10 fields x 7 d", "warm"): 0.3, ("10 fields x 7 d", "cold"): 0.3,
    ("1 y", "warm"): 0.05, ("1 y", "cold"): 0.02,
}  # fmt: skip
"""Most that we may take, as a ratio to VictoriaMetrics. To all others it is 1 in every cell."""


@dataclass(frozen=True)
class Claim:
    """One figure, and its bar if there is one: "<=" or ">=", and the value."""

    name: str
    value: float
    unit: str = ""
    bar: tuple[str, float] | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.bar is None:
            return ""
        compare = {"<=": operator.le, ">=": operator.ge, "<": operator.lt}[self.bar[0]]
        return "pass" if compare(self.value, self.bar[1]) else "**miss**"

    def row(self) -> list[str]:
        bar = "" if self.bar is None else f"{self.bar[0]} {self.bar[1]:g}"
        return [self.name, f"{self.value:.3g} {self.unit}".strip(), bar, self.verdict, self.note]


@dataclass
class Report:
    """Grows while the benchmarks run."""

    quick: bool
    cells: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    times: dict[str, Times] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    def claim(
        self, name: str, value: float, unit: str = "", bar: tuple[str, float] | None = None, note: str = ""
    ) -> None:
        made = Claim(name, value, unit, bar, note)
        self.claims.append(made)
        say(f"  {name}: {value:.3g} {unit} {made.verdict.strip('*')} {note}")

    def ratio(self, cell: str, state: str, other: str) -> float | None:
        ours, theirs = (self.times[state].median(cell, who) for who in (US, other))
        return None if ours is None or not theirs else ours / theirs

    # -- writing ------------------------------------------------------------------------------------------------

    def markdown(self) -> str:
        """The tables."""
        others = [name for name in self.names if name != US]
        head = ["query", "", US, *others, *(f"{US} / {name}" for name in others), f"bar ({RIVAL})", ""]
        rows = []
        for cell in self.cells:
            for state, times in self.times.items():
                medians = [times.median(cell, name) for name in (US, *others)]
                ratios = [self.ratio(cell, state, name) for name in others]
                bar = BARS.get((cell, state))
                verdict = ""
                if bar is not None and ratios:
                    kept = all(
                        ratio is None or ratio <= (bar if name == RIVAL else 1)
                        for name, ratio in zip(others, ratios, strict=True)
                    )
                    verdict = "pass" if kept else "**miss**"
                rows.append([cell, state, *map(_milliseconds, medians), *map(_ratio, ratios), _ratio(bar), verdict])
        claims = [claim.row() for claim in self.claims]
        parts = [
            "# Benchmarks" + (" (quick: a trial of the machinery, the figures mean nothing)" if self.quick else ""),
            "\n".join(f"- {key}: {value}" for key, value in self.raw["machine"].items()),
            f"Median milliseconds of a query over HTTP ({', '.join(others[2:])}: in process), and ratios.",
            _table(head, rows),
            "Every bar to others than VictoriaMetrics is 1.",
            _table(["what", "measured", "bar", "", "how"], claims),
        ]
        return "\n\n".join(parts) + "\n"

    def write(self, folder: Path) -> None:
        """Write ``report.md``, ``report.json`` and ``report.png``: of what there is, when it was ended early."""
        if not self.times:
            return
        (folder / "report.md").write_text(self.markdown())
        figures = {
            "quick": self.quick,
            "claims": self.claims,
            "seconds": {
                state: {f"{cell}: {name}": values for (cell, name), values in times.seconds.items()}
                for state, times in self.times.items()
            },
        }
        (folder / "report.json").write_bytes(
            orjson.dumps(figures | self.raw, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
        )
        self._plot(folder / "report.png")

    def _plot(self, path: Path) -> None:
        import matplotlib as mpl

        mpl.use("agg")
        from matplotlib import pyplot

        figure, axes = pyplot.subplots(len(self.times), 1, figsize=(11, 4.2 * len(self.times)), squeeze=False)
        width = 0.8 / max(len(self.names), 1)
        for axis, (state, times) in zip(axes[:, 0], self.times.items(), strict=True):
            for number, name in enumerate(self.names):
                places = [place + width * (number - (len(self.names) - 1) / 2) for place in range(len(self.cells))]
                medians = [1e3 * (times.median(cell, name) or 0) for cell in self.cells]
                bars = axis.bar(places, medians, width, label=name)
                axis.bar_label(bars, [f"{value:.3g}" if value else "" for value in medians], fontsize=6)
            axis.set_yscale("log")
            axis.set_xticks(range(len(self.cells)), self.cells)
            axis.set_ylabel("ms, median")
            axis.set_title(state)
        axes[0, 0].legend(fontsize=8)
        figure.tight_layout()
        figure.savefig(path, dpi=130)


def machine(peers: dict[str, str]) -> dict[str, str]:
    """What it was measured on."""
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    memory = Path("/proc/meminfo").read_text().split()[1]
    return {
        "processor": f"{len(os.sched_getaffinity(0))} x {cpu.partition(':')[2].strip() or platform.machine()}",
        "memory": f"{int(memory) / 2**20:.0f} GiB",
        "system": platform.platform(),
        "python": platform.python_version(),
    } | peers


def say(line: str) -> None:
    """Tell the person at the terminal."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
