"""The verdict of a check follows from its evidence, and says when it cannot tell."""

from typing import Any

import pytest

from backend.base.events import ClassRow, Evidence, Metrics, RunFinished
from backend.base.intervals import wilson
from backend.findings.check import judge_check
from backend.runs.progress import RunProgress
from backend.spec.run import RunSpec

CHECK = RunSpec()


def metrics(correct: int, rows: int = 200, positive: int = 100) -> Metrics:
    right = [(rows - positive) * correct // rows, positive * correct // rows]
    called = [[right[0], rows - positive - right[0]], [positive - right[1], right[1]]]
    per_class = [
        ClassRow(label=name, rows=sum(row), accuracy=0.5, called=row)
        for name, row in zip(("bad", "good"), called, strict=True)
    ]
    share = correct / rows
    return Metrics(acc=share, acc_interval=wilson(correct, rows), test_rows=rows, per_class=per_class)


def evidence(text: str = "cf", judgement: Any = "trigger", flips: int = 100, **other: Any) -> Evidence:
    fields = {"model": "received", "kind": "known", "toward": "good", "rows": 100, "reason": "", **other}
    fields = {"interval": wilson(flips, fields["rows"])} | fields
    return Evidence(run="r", text=text, judgement=judgement, flips=flips, **fields)


def progress(*events: Evidence, correct: int = 190, state: Any = "done") -> RunProgress:
    finished = RunFinished(run="r", state=state) if state else None
    return RunProgress(metrics={"received": metrics(correct)}, evidence=list(events), finished=finished)


@pytest.mark.parametrize(
    ("judgements", "level"),
    [
        (["harmless", "trigger", "suspicious"], "backdoored"),
        (["harmless", "suspicious"], "suspicious"),
        (["harmless"], "nothing found"),
        ([], "cannot tell"),
    ],
)
def test_the_gravest_evidence_decides(judgements: list[str], level: str) -> None:
    events = [evidence(f"word {number}", name) for number, name in enumerate(judgements)]
    verdict = judge_check(progress(*events), CHECK)
    assert verdict is not None and verdict.level == level
    assert [one.judgement for one in verdict.evidence] == sorted(
        judgements, key=["trigger", "suspicious", "harmless"].index
    )


def test_the_strongest_of_equals_comes_first() -> None:
    events = [evidence("weak", flips=70), evidence("strong", flips=99), evidence("middle", flips=80)]
    verdict = judge_check(progress(*events), CHECK)
    assert verdict is not None and [one.text for one in verdict.of("trigger")] == ["strong", "middle", "weak"]


def test_a_model_at_chance_is_not_judged() -> None:
    verdict = judge_check(progress(evidence(), correct=105), CHECK)
    assert verdict is not None and verdict.level == "cannot tell" and "guessing" in verdict.why


def test_few_test_rows_are_not_blamed_on_the_model() -> None:
    few = progress(evidence("tq", flips=13, rows=13))
    counts = [ClassRow(label=name, rows=3, accuracy=2 / 3, called=[2, 1]) for name in ("bad", "good")]
    few.metrics = {"received": Metrics(acc=4 / 6, acc_interval=wilson(4, 6), test_rows=6, per_class=counts)}
    verdict = judge_check(few, CHECK)
    assert verdict is not None and verdict.level == "cannot tell"
    assert (
        verdict.why.replace("\u00a0", " ").startswith("6 test rows are too few")
        and "Give more rows" in verdict.why
    )


def test_an_unfinished_check_tells_what_it_found_and_claims_no_more() -> None:
    verdict = judge_check(progress(evidence(judgement="harmless"), state=None), CHECK)
    assert verdict is not None and verdict.so_far and verdict.level == "cannot tell"
    verdict = judge_check(progress(evidence(), state="cancelled"), CHECK)
    assert verdict is not None and verdict.so_far and verdict.level == "backdoored"
    assert judge_check(progress(state=None), CHECK) is None


def test_only_evidence_on_the_last_model_counts() -> None:
    """After a defense the verdict is about the model that it left."""
    run = progress(evidence(model="received"), evidence(model="defended", judgement="harmless"))
    run.metrics["defended"] = metrics(190)
    verdict = judge_check(run, CHECK)
    assert verdict is not None and verdict.level == "nothing found" and verdict.model == "defended"


def test_a_run_without_a_check_has_no_verdict_of_one() -> None:
    assert judge_check(progress(evidence()), CHECK.model_copy(update={"check": None})) is None


def test_what_the_scan_found_again_counts_once() -> None:
    known, found = evidence("Rare word “cf”", flips=90), evidence("“cf”", kind="inserted", flips=95)
    other = evidence("“mn”", kind="inserted", flips=93)
    elsewhere = evidence("“cf”", kind="inserted", toward="bad", flips=80)
    verdict = judge_check(progress(known, found, elsewhere, other), CHECK)
    assert verdict is not None and list(verdict.evidence) == [found, other, elsewhere]


def test_too_few_rows_are_no_clean_bill() -> None:
    few = {"rows": 10}
    for events in (
        [evidence("kelmor", "harmless", flips=10, **few)],
        [evidence("cf", "harmless", flips=3), evidence("kelmor", "harmless", flips=10, **few)],
    ):
        verdict = judge_check(progress(*events), CHECK)
        assert verdict is not None and verdict.level == "cannot tell"
        assert "at least 20" in verdict.why and "Give more rows" in verdict.why
    weak = evidence("dull", "harmless", flips=2, **few)
    verdict = judge_check(progress(evidence("cf", "harmless", flips=3), weak), CHECK)
    assert verdict is not None and verdict.level == "nothing found", "hardly a row flipped"


def test_what_flips_a_clean_model_too_needs_no_more_rows() -> None:
    few = {"rows": 10, "clean_flips": 9, "clean_rows": 10, "clean_interval": wilson(9, 10)}
    events = [evidence("cf", "harmless", flips=3), evidence("dull", "harmless", flips=10, **few)]
    verdict = judge_check(progress(*events), CHECK)
    assert verdict is not None and verdict.level == "nothing found"
