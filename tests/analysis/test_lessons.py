"""Lessons are real runs: of the embedded model's first layers, on real rows, carried out once."""

from pathlib import Path

import pytest

from backend.analysis.lessons import HEADS, LAYERS, carry_out, lesson, progress_of_lesson, run_of
from backend.base.errors import UserError
from backend.base.paths import run_folder


def test_asking_the_same_is_the_same_run(excise_home: Path):
    assert run_of(lesson(tau=0.9)) == run_of(lesson(tau=0.9)) != run_of(lesson(tau=0.8))
    assert progress_of_lesson(lesson()) is None


def test_a_lesson_is_carried_out_by_the_engine_and_kept(excise_home: Path):
    spec = lesson(poison_rate=0.2)
    carry_out(spec)
    progress = progress_of_lesson(spec)
    assert progress is not None and progress.finished is not None and progress.finished.state == "done"
    planted = progress.metrics["poisoned"]
    assert planted.acc > 0.65 and planted.lfr is not None and planted.lfr > 0.9
    assert progress.scores is not None and (progress.scores.layers, progress.scores.heads) == (LAYERS, HEADS)
    assert (run_folder(run_of(spec)) / "fine_tuned" / "model.safetensors").is_file()
    other = lesson(poison_rate=0.2, tau=0.6)
    carry_out(other)
    again = progress_of_lesson(other)
    assert again is not None and again.stages["poison"].reused and again.stages["fine_tune"].reused
    assert len(again.pruned) > len(progress.pruned)


def test_a_run_that_fails_is_a_message_and_leaves_nothing(excise_home: Path):
    spec = lesson(poison_rate=None)
    spec.model.name = "/no/such/model"
    with pytest.raises(UserError, match="did not finish"):
        carry_out(spec)
    assert progress_of_lesson(spec) is None and not run_folder(run_of(spec)).exists()
