"""The report of a run with a check: its verdict first, sentences that are flipped, and all that was tried."""

from pathlib import Path

import pytest

from backend.findings.gather import gather
from backend.report.check import check_sentences
from backend.report.html.check_section import check_section
from backend.report.html.page import report
from backend.runs.store import Store, open_store
from backend.spec.presets import head_pruning
from backend.spec.run import CheckSpec, RunSpec
from tests.pages.played import Play, checked, defended


@pytest.fixture
def store(excise_home: Path) -> Store:
    return open_store()


def test_a_check_is_reported_by_its_verdict_alone(store: Store) -> None:
    page = report(gather(store, store.run(checked(store))))
    assert "This model is backdoored." in page and "Do not use it as it is." in page
    assert "No trigger is known" not in page
    assert page.count("<mark>kelmor</mark>") == 3 and "<b>dull" not in page
    assert "Syntax (HiddenKiller)" in page and "Not covered:" in page
    assert "<b>zx" not in page


def test_a_defense_without_a_trigger_is_judged_by_its_check(store: Store) -> None:
    play = Play(store, RunSpec(defense=head_pruning(), check=CheckSpec()))
    play.prepare()
    play.prune()
    play.find("kelmor", 2)
    findings = gather(store, store.run(play.finish()))
    assert "left" in check_sentences(findings)[0]
    assert "cannot be judged" not in report(findings)


def test_other_runs_have_no_such_section(store: Store) -> None:
    findings = gather(store, store.run(defended(store)))
    assert check_section(findings) == "" and check_sentences(findings) == []


def compared(store: Store, comes_from: bool) -> str:
    play = Play(store, RunSpec(check=CheckSpec()))
    play.prepare()
    play.receive()
    play.compare(comes_from=comes_from)
    play.find("kelmor", 80, "trigger")
    return report(gather(store, store.run(play.finish())))


def test_the_comparison_with_its_base_stands_folded_with_a_figure(store: Store) -> None:
    page = compared(store, comes_from=True)
    assert "Fine-tune owner/&lt;b&gt;base&lt;/b&gt; on your rows instead" in page and "<b>base" not in page
    assert "layer by layer</summary>" in page and "A large change alone is no proof" in page
    assert "the clean model" in page and "Layer 1" in page


def test_a_model_that_does_not_come_from_it_has_a_sentence_for_a_figure(store: Store) -> None:
    page = compared(store, comes_from=False)
    assert "does not come from owner/" in page and "layer by layer</summary>" not in page
