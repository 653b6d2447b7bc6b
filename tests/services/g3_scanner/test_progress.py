import io
from typing import Any

from services.g3_scanner.progress import Progress


class Run:
    """A progress at a clock of its own, and what it says."""

    def __init__(self, terminal: io.StringIO | None = None) -> None:
        self.now = 100.0
        self.lines: list[str] = []
        self.progress = Progress(self, terminal, lambda: self.now)

    def info(self, form: str, **facts: Any) -> None:
        self.lines.append(form.format(**facts))

    def work(self, seconds: int, left: int) -> None:
        self.progress.begin()
        for _ in range(seconds):
            self.now += 1.0
            self.progress.add(10, 20_000_000)
            if self.progress.wanted:
                self.progress.left(left, left * 2_000_000)


def test_a_backlog_is_told_every_few_seconds_and_at_its_end() -> None:
    run = Run()
    run.work(9, left=100)
    run.progress.end()
    assert run.lines == [
        "scanner: indexed 30 files, 60 MB at 20.0 MB/s; 100 files and 200 MB to go, 10 s left",
        "scanner: indexed 80 files, 160 MB at 20.0 MB/s; 100 files and 200 MB to go, 10 s left",
        "scanner: indexed 90 files, 180 MB in 9 s (20.0 MB/s); nothing is left to do",
    ]


def test_a_growing_file_and_idleness_are_worth_no_line() -> None:
    run = Run()
    for _ in range(100):
        run.progress.add(1, 1000)
        assert not run.progress.wanted
        run.progress.end()
        run.now += 60.0
        assert not run.progress.wanted
        run.progress.end()
    assert run.lines == []


def test_on_a_terminal_one_line_is_kept_up_to_date_and_goes_at_the_end() -> None:
    terminal = io.StringIO()
    run = Run(terminal)
    run.work(5, left=7)
    run.progress.end()
    written = terminal.getvalue()
    assert "\n" not in written
    assert written.count("7 files and 14 MB to go") == 3
    assert written.endswith("\r\x1b[K")
    assert len(run.lines) == 1


def test_when_all_is_read_the_days_are_rolled_up() -> None:
    run = Run()
    run.work(4, left=0)
    assert run.lines[0].endswith("rolling up finished days")
