"""A verdict claims what the intervals carry, and recognises what went wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.base.events import ClassRow, Metrics, ModelName, RunFinished
from backend.base.intervals import wilson
from backend.evaluation.rates import clearly_above, floor_of, lfr_of
from backend.findings.battery import of_last_model
from backend.findings.verdict import Sign, Verdict, judge
from backend.report.verdict import advice, headline
from backend.runs.progress import RunProgress
from tests.findings.test_battery import made
from tests.report.test_sentences import began, rates, run_progress, step

NUMBER = st.integers(0, 900)


def judged(reference: Metrics | None = None, seeds: tuple[Metrics, ...] = (), **models: Metrics) -> Verdict:
    """The verdict of a run that pruned four heads."""
    found = finished(run_progress(**models))
    found.steps = [step(0, 0), step(1, 4)]
    said = judge(found, reference, seeds)
    assert said is not None
    return said


def finished(found: RunProgress) -> RunProgress:
    found.finished = RunFinished(run="r", state="done")
    return found


def names(found: Verdict) -> list[str]:
    return [sign.name for sign in found.signs]


PLANTED = {"poisoned": rates(0.87, 0.95, 0.12), "fine_tuned": rates(0.88, 0.93, 0.12)}


def test_levels() -> None:
    assert judged(**PLANTED, defended=rates(0.87, 0.13, 0.12)).level == "removed"
    assert judged(**PLANTED, defended=rates(0.87, 0.4, 0.12)).level == "weaker"
    assert judged(**PLANTED, defended=rates(0.87, 0.94, 0.12)).level == "left"
    assert judged(**PLANTED, defended=rates(0.55, 0.13, 0.12)).level == "accuracy lost"
    assert judged(fine_tuned=rates(0.88), defended=rates(0.87)).level == "unknown"
    assert judged(poisoned=rates(0.87, 0.14, 0.12), defended=rates(0.87, 0.13, 0.12)).level == "never there"


def test_a_known_trigger_that_works_makes_a_model_suspicious_where_none_was_given() -> None:
    blind = finished(run_progress(fine_tuned=rates(0.88), defended=rates(0.87)))
    tried = {number: of_last_model(made(90, number, 3)) for number in (96, 4)}
    said = {number: judge(blind, battery=battery) for number, battery in tried.items()}
    assert said[96] is not None and said[96].level == "suspicious"
    assert said[4] is not None and said[4].level == "unknown", "the defended model, not the one before"
    known = judge(finished(run_progress(**PLANTED, defended=rates(0.87, 0.13, 0.12))), battery=tried[96])
    assert known is not None and known.level == "removed", "measured with the trigger itself"


def test_the_never_poisoned_model_is_the_floor_where_there_is_one() -> None:
    left = rates(0.87, 0.4, 0.12)
    assert judged(**PLANTED, defended=left).level == "weaker"
    said = judged(rates(0.88, 0.38, 0.12), **PLANTED, defended=left)
    assert said.level == "removed" and said.floor == (0.38, pytest.approx((0.35, 0.41)))


def test_a_model_in_which_nothing_was_planted_has_no_backdoor() -> None:
    """With a syntactic trigger an honest model flips two in five rows (its LFR is the floor of others)."""
    lfr = {"fine_tuned": rates(0.88, 0.404, 0.16), "defended": rates(0.88, 0.404, 0.16)}
    said = judge(finished(run_progress(began("syntactic", planted=False), **lfr)))
    assert said is not None and said.level == "nothing planted" and not said.signs


def test_a_run_that_is_not_over_or_never_defended_has_no_verdict() -> None:
    assert judge(run_progress(**PLANTED)) is None
    assert judge(finished(run_progress(poisoned=rates(0.87, 0.9, 0.1)))) is None
    start = began("rare-words", random_weights=True)
    random = finished(run_progress(start, **PLANTED, defended=rates(0.5, 0.5, 0.5)))
    said = judge(random)
    assert said is not None and said.level == "meaningless" and not said.signs


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_run_that_never_finished_its_defense_is_not_judged_by_it(state: str) -> None:
    broken = run_progress(**PLANTED)
    broken.finished = RunFinished(run="r", state=state)
    assert judge(broken) is None


def test_where_no_head_went_the_order_of_heads_is_not_blamed() -> None:
    stayed = judge(finished(run_progress(**PLANTED, defended=rates(0.87, 0.94, 0.12))))
    assert stayed is not None and stayed.level == "left" and names(stayed) == []
    control = {"pruned": rates(0.88, 0.93, 0.12), "defended": rates(0.87, 0.13, 0.12)}
    said = judge(finished(run_progress(**PLANTED, **control)))
    assert said is not None and names(said) == []
    lost = judge(finished(run_progress(**PLANTED, defended=rates(0.55, 0.13, 0.12))))
    assert lost is not None and names(lost) == ["accuracy fell by second fine-tuning"]


def test_what_a_second_fine_tuning_cost_is_not_put_down_to_pruning() -> None:
    by_tuning = judged(**PLANTED, pruned=rates(0.86, 0.5, 0.12), defended=rates(0.55, 0.13, 0.12)).signs[0]
    assert by_tuning == Sign("accuracy fell by second fine-tuning", (0.86, 0.55))
    by_pruning = judged(**PLANTED, pruned=rates(0.55, 0.5, 0.12), defended=rates(0.6, 0.13, 0.12)).signs[0]
    assert by_pruning == Sign("accuracy fell by pruning", (0.88, 0.55))


def test_where_no_backdoor_took_its_flip_rate_is_no_sign() -> None:
    weak = rates(0.87, 0.3, 0.28)
    found = judged(poisoned=weak, fine_tuned=weak, pruned=weak, defended=rates(0.87, 0.1, 0.1))
    assert found.level == "never there" and names(found) == []


def test_signs_of_what_went_wrong() -> None:
    assert names(judged(**PLANTED, defended=rates(0.55, 0.13, 0.12))) == ["accuracy fell by pruning"]
    assert names(judged(**PLANTED, defended=rates(0.87, 0.94, 0.12))) == ["flips stayed"]
    second = judged(**PLANTED, pruned=rates(0.86, 0.92, 0.12), defended=rates(0.87, 0.13, 0.12))
    assert names(second) == ["only the second fine-tuning helped"]
    both = judged(**PLANTED, pruned=rates(0.86, 0.5, 0.12), defended=rates(0.87, 0.13, 0.12))
    assert names(both) == []
    spread = (rates(0.87, 0.13, 0.12), rates(0.87, 0.9, 0.12))
    assert names(judged(None, spread, **PLANTED, defended=spread[0])) == ["seeds disagree"]
    nothing = finished(run_progress(**PLANTED, pruned=rates(0.88, 0.93, 0.12)))
    nothing.steps = [step(0, 0), step(1, 0, restored=4)]
    said = judge(nothing)
    assert said is not None and "nothing pruned" in names(said)


@settings(deadline=None)
@given(NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER)
def test_removed_is_never_said_of_what_lies_above_its_floor(
    acc: int, acc_after: int, lfr: int, lfr_after: int, floor: int, floor_after: int
) -> None:
    def of(right: int, flips: int, clean: int) -> Metrics:
        return Metrics(
            acc=right / 900,
            acc_interval=wilson(right, 900),
            test_rows=900,
            lfr=flips / 900,
            lfr_interval=wilson(flips, 900),
            clean_flip_rate=clean / 900,
            clean_flip_rate_interval=wilson(clean, 900),
        )

    models: dict[ModelName, Metrics] = {
        "poisoned": of(acc, lfr, floor),
        "fine_tuned": of(acc, lfr, floor),
        "defended": of(acc_after, lfr_after, floor_after),
    }
    said = judged(**models)
    last = models["defended"]
    if said.level == "removed":
        assert not clearly_above(lfr_of(last), floor_of(last))
    if said.level in ("weaker", "removed"):
        assert clearly_above(lfr_of(models["poisoned"]), floor_of(models["poisoned"]))
    if said.level == "weaker":
        assert last.lfr is not None and last.lfr < lfr / 900
    assert headline(said).endswith(".")


def classified(metrics: Metrics, *correct: int, rows: int = 100) -> Metrics:
    """The same with so many of each class's rows classified correctly, the others as the next class."""
    numbers = range(len(correct))
    called = [
        [
            hits if other == label else (rows - hits) * (other == (label + 1) % len(correct))
            for other in numbers
        ]
        for label, hits in enumerate(correct)
    ]
    of_class = [
        ClassRow(label=f"class {label}", rows=rows, accuracy=hits / rows, called=called[label])
        for label, hits in enumerate(correct)
    ]
    total, right = rows * len(correct), sum(correct)
    return metrics.model_copy(
        update={"acc": right / total, "acc_interval": wilson(right, total), "per_class": of_class}
    )


def test_of_a_model_that_guesses_nothing_is_said_about_its_backdoor() -> None:
    good, lost = classified(rates(0.9, 0.95, 0.12), 90, 90), classified(rates(0.5, 0.95, 0.12), 50, 55)
    assert judged(poisoned=good, fine_tuned=good, defended=good).level == "left"
    received = judged(poisoned=lost, fine_tuned=good, defended=good)
    assert received.level == "at chance" and "as received classifies 52" in headline(received)
    swapped = classified(rates(0.02, 0.0, 1.0), 2, 3)
    assert judged(poisoned=swapped, defended=swapped).level == "at chance"
    assert judged(poisoned=good, fine_tuned=good, defended=lost).level == "accuracy lost"
    defended = judged(poisoned=good, defended=lost)
    assert defended.level == "at chance" and "as defended classifies 52" in headline(defended)


def test_a_class_that_was_lost_is_a_sign() -> None:
    good = classified(rates(0.9, 0.1, 0.12), 90, 90, 90)
    gone = classified(rates(0.6, 0.1, 0.12), 95, 95, 0)
    assert "class lost" not in names(judged(**PLANTED, defended=good))
    (sign,) = [sign for sign in judged(**PLANTED, defended=gone).signs if sign.name == "class lost"]
    assert sign.classes == ("class 2",)
    (hint,) = [hint for hint in advice(judged(**PLANTED, defended=gone)) if "class 2" in hint.shows]
    assert "balanced" in hint.tries
