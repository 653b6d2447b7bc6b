"""What is told to the person who migrates."""

from dataclasses import dataclass, field


class Refused(Exception):
    """Nothing was written; the sentence says why, and what to do."""


@dataclass
class Report:
    """What became of each part of the old site, and what is left to do by hand.

    Values of environment variables are never in it: they may be secrets.
    """

    taken: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def take(self, where: str, sentence: str) -> None:
        """Say what a part has become."""
        self.taken.append(f"{where}: {sentence}")

    def leave(self, where: str, sentence: str) -> None:
        """Say what could not be taken over, or is to be looked at, and what to do."""
        line = f"{where}: {sentence}"
        if line not in self.left:
            self.left.append(line)
