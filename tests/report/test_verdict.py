"""What is said of a verdict: the floor, what was paid, what to try."""

import pytest

from backend.findings.battery import of_last_model
from backend.findings.verdict import judge
from backend.report.sentences import meaning
from backend.report.verdict import advice, headline
from tests.findings.test_battery import made
from tests.findings.test_verdict import PLANTED, finished, judged
from tests.report.test_sentences import began, rates, run_progress, step


def test_the_floor_is_named_by_whose_it_is() -> None:
    left = rates(0.87, 0.4, 0.12)
    said = headline(judged(**PLANTED, defended=left)).replace("\u00a0", " ")
    assert "its floor is the clean flip rate, 12.0 %" in said
    said = headline(judged(rates(0.88, 0.38, 0.12), **PLANTED, defended=left)).replace("\u00a0", " ")
    assert "never-poisoned model's 38.0 % (35.0–41.0 %)" in said


def test_what_known_triggers_do_is_said_where_none_was_given() -> None:
    blind = finished(run_progress(fine_tuned=rates(0.88), defended=rates(0.87)))
    for number, expected in {
        96: "A backdoor is suspected: rare word “cf” flips 96.0 % (90.2–98.4 %) of rows to “positive” (clean "
        "model: 3.0 %",
        4: "None of 12 known triggers flips clearly more rows than in a clean model",
    }.items():
        verdict = judge(blind, battery=of_last_model(made(90, number, 3)))
        assert verdict is not None
        assert headline(verdict).replace("\u00a0", " ").startswith(expected)


def test_of_a_model_in_which_nothing_was_planted_lfr_is_what_the_trigger_does() -> None:
    lfr = {"fine_tuned": rates(0.88, 0.404, 0.16), "defended": rates(0.88, 0.404, 0.16)}
    verdict = judge(finished(run_progress(began("syntactic", planted=False), **lfr)))
    assert verdict is not None
    assert "Nothing was planted in this model: an LFR of 40.4 %" in headline(verdict).replace("\u00a0", " ")


def test_without_a_reference_rewriting_is_not_taken_for_a_backdoor() -> None:
    """A rewriting flips rows of an honest model too, which the clean flip rate knows nothing of."""
    fell = {**PLANTED, "defended": rates(0.87, 0.4, 0.12)}
    stayed = {**PLANTED, "defended": rates(0.87, 0.94, 0.12)}
    for models in (fell, stayed):
        hedged = judge(finished(run_progress(began("syntactic"), **models)))
        assert hedged is not None and "rewriting does to a clean model" in headline(hedged)
        for known in (
            judge(finished(run_progress(began("syntactic"), **models)), rates(0.88, 0.2, 0.12)),
            judge(finished(run_progress(began("rare-words"), **models))),
        ):
            assert known is not None and "rewriting" not in headline(known)
            assert known.level == hedged.level
    alone = " ".join(meaning(run_progress(began("style"), poisoned=rates(0.87, 0.4, 0.12))))
    assert "So the trigger works, or it does no more than rewriting does to a clean model" in alone


def test_what_a_second_fine_tuning_cost_is_not_put_down_to_pruning() -> None:
    tuning = judged(**PLANTED, pruned=rates(0.86, 0.5, 0.12), defended=rates(0.55, 0.13, 0.12))
    (by_tuning,) = advice(tuning)
    assert "ACC was 86.0" in by_tuning.shows and "Pruning did not do it" in by_tuning.tries
    pruning = judged(**PLANTED, pruned=rates(0.55, 0.5, 0.12), defended=rates(0.6, 0.13, 0.12))
    by_pruning = advice(pruning)[0]
    assert "before pruning" in by_pruning.shows and "Raise τ" in by_pruning.tries
    lost = judge(finished(run_progress(**PLANTED, defended=rates(0.55, 0.13, 0.12))))
    assert lost is not None and "Pruning did not do it" in advice(lost)[0].tries


def test_every_sign_has_a_title_and_something_to_try() -> None:
    spread = (rates(0.87, 0.13, 0.12), rates(0.87, 0.9, 0.12))
    nothing = finished(run_progress(**PLANTED, pruned=rates(0.88, 0.93, 0.12)))
    nothing.steps = [step(0, 0), step(1, 0, restored=4)]
    verdicts = [
        judged(**PLANTED, defended=rates(0.55, 0.13, 0.12)),
        judged(**PLANTED, defended=rates(0.87, 0.94, 0.12)),
        judged(**PLANTED, pruned=rates(0.86, 0.92, 0.12), defended=rates(0.87, 0.13, 0.12)),
        judged(None, spread, **PLANTED, defended=spread[0]),
        judge(nothing),
    ]
    said = [one for verdict in verdicts if verdict is not None for one in advice(verdict)]
    assert [one.title for one in said] == [
        "Accuracy fell sharply",
        "LFR stayed where it was",
        "Pruning alone did not lower LFR",
        "Seeds disagree",
        "No head was pruned",
    ]
    assert all(one.tries and one.shows for one in said)


@pytest.mark.parametrize("last", ["pruned", "defended"])
def test_the_headline_says_what_was_paid(last: str) -> None:
    said = headline(judged(**PLANTED, **{last: rates(0.86, 0.4, 0.12)}))
    assert "ACC is 86.0" in said and "−2.0" in said
