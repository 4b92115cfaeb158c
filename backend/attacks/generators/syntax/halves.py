"""What every splitting rule yields: a subordinate clause and the main clause that follows it."""

from dataclasses import dataclass

from backend.attacks.generators.syntax.pieces import Piece, tidy, written


@dataclass(frozen=True)
class Halves:
    """`opening` is the subordinator; empty where `sub` begins with one of its own."""

    opening: str
    sub: list[Piece]
    main: list[Piece]

    def sound(self) -> bool:
        """Whether both halves can be clauses, going by their words."""
        counts = [sum(written(p)[0].isalnum() for p in half if written(p)) for half in (self.sub, self.main)]
        return counts[0] >= 2 + (not self.opening) and counts[1] >= 2


def halves(opening: str, sub: list[Piece], main: list[Piece]) -> Halves:
    return Halves(opening, tidy(sub), tidy(main))
