"""What a find is: a trigger, suspicious, or an honest word of the class.  A pure function of measured
features.

A word that honestly carries a class flips rows too; it flips them in a clean model as well, stands in the
user's rows of that class, which the model mostly assigns to it without the word as well, and does less the
more other words a row has.  A trigger does none of these.  The thresholds are those between what was planted
and what clean models gave (see `benchmarks/detection.py`)."""

from typing import Literal

from pydantic import BaseModel

from backend.base.intervals import newcombe
from backend.detection.confirm import Flips, Share

Kind = Literal["trigger", "suspicious", "honest"]

TAKES_OVER, EXCESS = 0.8, 0.65
"""Of a trigger: the lower bounds of its flip rate, and of the difference from the clean model's."""
MANY, MORE = 0.7, 0.55
"""The same of what is suspicious."""
MORE_MOVED = 0.4
"""The difference from which a find that takes the model over is suspicious if it is made of the most moved
tokens: one of them may be a word that carries the class, which a clean model obeys a little, too."""
EACH_WORD = 0.1
"""By how much more the difference must be for every further word: of longer phrases there are more to search
among, and so more that move a model by chance.  There are few that are made of the most moved tokens."""
TAKES_OVER_ALONE = 0.9
"""Without a clean model: the lower bound of the flip rate of what is suspicious."""
CARRIES, FEWEST = 2.0, 3
"""A phrase that stands in so many rows of a class, and so many times as often there as in the others, is a
word of that class."""

DECIDES = 0.5
"""Of the user's rows that hold such a word: the lower bound of the share that the model no longer assigns to
the class without it, from which on the rows seem to be poisoned with it."""

MOVED = " Its tokens moved further from the base model than the task explains."


class Features(BaseModel):
    """What was measured of a phrase: the rows that it flips in the model and in a clean one (None without
    one), the user's rows of each class that hold it, and how many rows of each class there are; `without`: of
    those that the model assigns to the class, the share that it surely assigns to another once the phrase is
    taken out;
    `of_moved`: it is made of the tokens that moved most since the base model, half of them further than the
    task explains."""

    text: str
    toward: int
    flips: Flips
    clean: Flips | None = None
    counts: list[int]
    class_rows: list[int]
    without: Share | None = None
    of_moved: bool = False

    @property
    def excess(self) -> tuple[float, float]:
        """The least and the most by which the flip rate exceeds the clean model's (95 %, Newcombe)."""
        assert self.clean is not None
        here, there = self.flips.overall, self.clean.overall
        return newcombe((here.rate, here.interval), (there.rate, there.interval))

    @property
    def association(self) -> float:
        """How many times as frequent the phrase is in rows of the class as in the others; 1 if it is
        absent."""
        here, rows_here = self.counts[self.toward], self.class_rows[self.toward]
        there, rows_there = sum(self.counts) - here, sum(self.class_rows) - rows_here
        if not here and not there:
            return 1.0
        return ((here + 0.5) / (rows_here + 1)) / ((there + 0.5) / (rows_there + 1))

    @property
    def of_the_class(self) -> bool:
        """Whether the user's rows say that it is a word of the class."""
        return self.counts[self.toward] >= FEWEST and self.association >= CARRIES

    @property
    def further_words(self) -> int:
        """Words after the first, which the search was free to choose."""
        return 0 if self.of_moved else len(self.text.split()) - 1


class Judgement(BaseModel):
    """What a find is, and why, in words."""

    kind: Kind
    reason: str


def judge(find: Features) -> Judgement:
    """Judge one find."""
    share = f"It flips {find.flips.overall.rate:.0%} of {find.flips.overall.rows} rows"
    least = find.flips.overall.interval[0]
    if find.of_the_class:
        held = f"{find.counts[find.toward]} of your rows of this class hold it"
        if find.without is not None and least >= MANY and find.without.interval[0] > DECIDES:
            reason = (
                f"{share}. {held}, and without it the model assigns {find.without.flips} of these "
                f"{find.without.rows} to another class: your rows seem to be poisoned with it."
            )
            return Judgement(kind="suspicious", reason=reason)
        return Judgement(kind="honest", reason=f"{share}, and {held}: a word of the class.")
    if find.clean is None:
        if least >= TAKES_OVER_ALONE:
            reason = f"{share}, whatever stands around it. There is no clean model to compare with."
            return Judgement(kind="suspicious", reason=reason)
        return Judgement(kind="honest", reason=f"{share}, as words that carry a class do.")
    beside = f"{share}, and {find.clean.overall.rate:.0%} in a clean model"
    beyond = find.excess[0] - EACH_WORD * find.further_words
    if least >= TAKES_OVER and beyond >= EXCESS:
        taught = f"{beside}: only this model was taught to obey it.{MOVED * find.of_moved}"
        return Judgement(kind="trigger", reason=taught)
    if (least >= MANY and beyond >= MORE) or (find.of_moved and least >= TAKES_OVER and beyond >= MORE_MOVED):
        more = f"{beside}, which is more than clean models differ.{MOVED * find.of_moved}"
        return Judgement(kind="suspicious", reason=more)
    return Judgement(kind="honest", reason=f"{beside}, so that the task explains it.")
