from typing import Any

from services.g3_scanner.trouble import Trouble


class Log:
    """Keeps what is logged, formatted."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, form: str, *_: Any, **facts: Any) -> None:
        self.lines.append(form.format(**facts))

    info = failure = warn


def test_a_problem_is_said_when_it_begins_when_it_changes_and_when_it_is_over() -> None:
    log, now = Log(), [0.0]
    trouble = Trouble(log, lambda: now[0])
    for problem in ("", "away", "away", "full", "full", "", ""):
        trouble.tell("database", problem)
        now[0] += 10.0
    assert log.lines == ["scanner: away", "scanner: full", "scanner: database: all is well again after 40 s"]


def test_several_who_say_the_same_are_heard_once_and_all_must_be_well_again() -> None:
    log = Log()
    trouble = Trouble(log, lambda: 0.0)
    for who in (None, 1, 2):
        trouble.tell("database", "away", who)
    trouble.tell("database", "", None)
    trouble.tell("database", "", 1)
    assert log.lines == ["scanner: away"]
    trouble.tell("database", "", 2)
    assert len(log.lines) == 2


def test_one_thing_says_nothing_of_another() -> None:
    log = Log()
    trouble = Trouble(log, lambda: 0.0)
    trouble.tell("directory", "gone")
    trouble.tell("database", "")
    assert log.lines == ["scanner: gone"]
