"""Fields that several data servers have in parts: an archive, and what is live after it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import txaio
from twisted.internet.defer import CancelledError

from services.bridge.asking import Answer, Asking, together
from services.bridge.cells import Seam, ingredients, operated, seam_of
from services.bridge.reading import Window
from services.bridge.seam import Course
from services.bridge.streams import Missing, Outcome, Question, Stream
from sisock.errors import RouterAbsent

_Until = Callable[[], float]


class Joined:
    """Asks one data server after the other, each from where the one before it ends."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._servers = asking.servers
        self._log = txaio.make_logger()

    async def ask(self, fields: Sequence[str], operator: str | None, window: Window, until: _Until) -> Answer:
        """Ask for fields; each question has the time that `until` says when it is put.

        Only that the client has gone is raised.
        """
        try:
            return await self._ask(fields, operator, window, until)
        except CancelledError:
            raise
        except Exception:  # As in `Asking`, a fault that nobody foresaw is kept from the other panels.
            self._log.failure("bridge: the samples of {name} could not be joined", name=self._servers.catalogue.joined)
            return dict.fromkeys(fields, Missing("archive and live samples could not be joined; see the log"))

    async def _ask(self, fields: Sequence[str], operator: str | None, window: Window, until: _Until) -> Answer:
        archive, *others = self._servers.catalogue.sources
        courses = {field: Course(window.start, window.end, window.stride) for field in fields}
        if operator is not None:
            return await self._operated(archive, others, courses, operator, window, until)
        if not await self._follow([archive, *others], courses, window.end, window.stride, until):
            return RouterAbsent()
        return {field: course.outcome() for field, course in courses.items()}

    async def _follow(
        self, nodes: Iterable[str], courses: Mapping[str, Course], end: float, stride: float, until: _Until
    ) -> bool:
        """Ask server after server; False when none could be asked because the router is away."""
        reached = asked = 0
        for node in nodes:
            by_begin: dict[float, list[str]] = defaultdict(list)
            for field, course in courses.items():
                if not course.open:
                    continue
                if self._servers.lacks(node, field):
                    course.take(node, self._asking.unlisted(node, field))
                else:
                    by_begin[course.begin].append(field)
            if not by_begin:
                continue
            questions = [Question(names, begin, end, stride) for begin, names in by_begin.items()]
            answers = await self._asking.ask(node, questions, until())
            asked += 1
            reached += any(not isinstance(answer, RouterAbsent) for answer in answers)
            for question, answer in zip(questions, answers, strict=True):
                for field, outcome in _each(question, answer).items():
                    courses[field].take(node, outcome)
        return bool(reached or not asked)

    async def _operated(
        self,
        archive: str,
        others: Sequence[str],
        courses: Mapping[str, Course],
        operator: str,
        window: Window,
        until: _Until,
    ) -> Answer:
        """Ask the archive for the operator, the others for samples, and make one value of a cell that both have.

        The archive also says its newest sample: with a stride longer than the range, it is all of an envelope.
        """
        listed = [field for field in courses if not self._servers.lacks(archive, field)]
        for field in courses.keys() - set(listed):
            courses[field].take(archive, self._asking.unlisted(archive, field))
        wholes: dict[str, Outcome] = {}
        archive_reached = not listed
        if listed:
            newest = Question(listed, window.start, window.end, 2 * (window.end - window.start))
            whole = Question(listed, window.start, window.end, window.stride, operator)
            answers = await self._asking.ask(archive, [newest, whole], until())
            archive_reached = any(not isinstance(answer, RouterAbsent) for answer in answers)
            wholes = _each(whole, answers[1])
            for field, outcome in _each(newest, answers[0]).items():
                made = wholes[field]
                if isinstance(outcome, Stream) and isinstance(made, Stream):
                    courses[field].take(archive, replace(outcome, finalized_until=made.finalized_until))
                else:  # Of an archive that failed in one of both, nothing is taken.
                    wholes[field] = made if isinstance(made, Missing) else outcome
                    courses[field].take(archive, wholes[field])
        still = {field: course for field, course in courses.items() if course.open}
        seams = {
            field: seam
            for field, made in wholes.items()
            if isinstance(made, Stream) and (seam := seam_of(courses[field], made, window))
        }
        both: list[Any] = await together(
            [
                self._sides(archive, seams, operator, window.start, until),
                self._follow(others, still, window.end, 0.0, until),
            ]
        )
        sides, others_reached = both
        if not (archive_reached or (still and others_reached)):
            return RouterAbsent()
        return {
            field: operated(operator, course, wholes.get(field), seams.get(field), sides.get(field, {}), window)
            for field, course in courses.items()
        }

    async def _sides(
        self, archive: str, seams: Mapping[str, Seam], operator: str, start: float, until: _Until
    ) -> Mapping[str, dict[str, Outcome]]:
        """What the archive makes of the cell in which it ends."""
        by_seam: dict[Seam, list[str]] = defaultdict(list)
        for field, seam in seams.items():
            by_seam[seam].append(field)
        questions = [
            Question(fields, max(seam.edge, start), seam.begin, seam.cell, each)
            for seam, fields in by_seam.items()
            for each in ingredients(operator)
        ]
        sides: dict[str, dict[str, Outcome]] = defaultdict(dict)
        if questions:
            answers = await self._asking.ask(archive, questions, until())
            for question, answer in zip(questions, answers, strict=True):
                for field, outcome in _each(question, answer).items():
                    sides[field][str(question.operator)] = outcome
        return sides


def _each(question: Question, answer: Answer) -> dict[str, Outcome]:
    if isinstance(answer, RouterAbsent):
        return dict.fromkeys(question.fields, Missing(str(answer)))
    return dict(answer)
