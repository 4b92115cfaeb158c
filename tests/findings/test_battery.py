"""Which triggers of the battery are suspicions, beside what an honest model does."""

import pytest

from backend.analysis.battery import Battery
from backend.base.intervals import wilson
from backend.detection.known_triggers import PROBES, Flips
from backend.findings import battery as rules


def flips(number: int, rows: int = 100) -> Flips:
    return Flips(flips=number, rows=rows, interval=wilson(number, rows))


def made(before: int, after: int, honest: int | None) -> Battery:
    """Word cf flips so many rows to positive; every other trigger two rows to negative."""
    found = Battery(places={"before": ("one", "poisoned"), "after": ("one", "defended")}, rows=200)
    if honest is not None:
        found.places["honest"] = ("other", "fine_tuned")
    for name in PROBES:
        word = name == "word-cf"
        found.probes[name] = {
            role: {"positive": flips(number if word else 0), "negative": flips(2)}
            for role, number in (("before", before), ("after", after), ("honest", honest))
            if number is not None
        }
    return found


@pytest.mark.parametrize(
    ("number", "honest", "suspicious"), [(30, 3, True), (22, 3, False), (60, 55, False), (3, 3, False)]
)
def test_suspicious_is_clearly_above_and_by_more_than_honest_models_differ(
    number: int, honest: int, suspicious: bool
) -> None:
    assert rules.is_suspicious(made(number, 0, honest)) is suspicious


def test_few_rows_carry_no_suspicion() -> None:
    battery = made(96, 0, 3)
    battery.probes["word-cf"]["before"] = {"positive": flips(rules.FEWEST, rules.FEWEST)}
    assert rules.is_suspicious(battery)
    battery.probes["word-cf"]["before"] = {"positive": flips(rules.FEWEST - 1, rules.FEWEST - 1)}
    assert not rules.is_suspicious(battery) and rules.finding(battery, "word-cf", "before") is None


def test_the_shipped_rates_are_of_every_trigger_of_the_battery() -> None:
    known = rules.clean_models()
    assert known is not None and set(known.probes) == set(PROBES)
    assert all(one.rows > 200 and one.share < rules.MARGIN + 0.05 for one in known.probes.values())
