"""What is known of a run, gathered once."""

from pathlib import Path

import pytest

from backend.analysis import battery
from backend.findings.gather import gather
from backend.report.verdict import headline
from backend.runs.progress import progress_of
from backend.runs.results import metrics_of, pruned_heads
from backend.runs.store import Store, open_store
from tests.findings.test_battery import made
from tests.pages.played import Play, defended, full_spec, planted
from tests.runs import fake


@pytest.fixture
def store(excise_home: Path) -> Store:
    return open_store()


def test_a_finished_run_s_numbers_heads_and_verdict(store: Store) -> None:
    run = store.run(defended(store))
    findings = gather(store, run)
    assert (findings.run, findings.spec, findings.problem) == (run.id, run.spec, None)
    assert findings.metrics == metrics_of(run, findings.events) and "defended" in findings.metrics
    assert findings.pruned_heads == pruned_heads(run, findings.events) and findings.pruned_heads
    assert findings.head_list["pruned"] == [list(head) for head in findings.pruned_heads]
    assert findings.reference is None and findings.seeds == []
    assert findings.verdict is not None and "the clean flip rate" in headline(findings.verdict)
    assert findings.effects is None and findings.battery is None and findings.compact is None


def test_a_run_that_is_not_done_has_findings_and_no_verdict(store: Store) -> None:
    findings = gather(store, store.submit(fake.spec()))
    assert findings.verdict is None and findings.metrics == {} and findings.pruned_heads == []
    assert findings.model_folder is None and findings.models_left == [] and findings.rewritings is None
    cut = gather(store, store.run(planted(store)))
    assert list(cut.metrics) == ["poisoned"] and cut.verdict is None
    play = Play(store, full_spec())
    play.prepare()
    play.prune()
    failed = gather(store, store.run(play.finish("failed", "Memory ran out.")))
    assert failed.verdict is None and failed.metrics and failed.pruned_heads


def test_the_reference_and_the_other_seeds_are_found(store: Store) -> None:
    run = store.run(defended(store))
    honest = full_spec().model_copy(update={"attack": None})
    defended(store, honest)
    defended(store, full_spec().model_copy(update={"seed": 12}))
    findings = gather(store, run)
    assert findings.reference is not None and len(findings.seeds) == 2
    assert findings.verdict is not None and findings.verdict.reference == findings.reference


def test_a_story_that_was_told_before_is_not_read_again(store: Store) -> None:
    run = store.run(defended(store))
    progress = progress_of(store.events(run.id))
    findings = gather(store, run, progress)
    assert findings.progress is progress and findings.metrics == gather(store, run).metrics


def test_what_is_measured_later_is_known_to_whoever_gathers_again(store: Store) -> None:
    run = store.run(defended(store))
    before = gather(store, run)
    assert before.battery is None
    file = battery.file_of(run.id)
    file.parent.mkdir(parents=True)
    file.write_text(made(96, 5, 3).model_dump_json())
    assert before.battery is None, "as it was"
    assert gather(store, run).battery == made(96, 5, 3)
