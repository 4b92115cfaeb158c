"""How far a run is by its events, and the sentences that its numbers allow."""

import pytest

from backend.base.events import (
    DataReady,
    Metric,
    Metrics,
    Progress,
    PruningStep,
    RunFinished,
    RunStarted,
    StageFinished,
    StageStarted,
)
from backend.base.numbers import age, duration, percent, points
from backend.report.sentences import guardrail, meaning
from backend.runs.progress import RunProgress, progress_of, seconds_left, stages_of
from backend.spec.presets import head_pruning
from backend.spec.run import AttackSpec, ModelSpec, RunSpec, TriggerSpec


def rates(acc: float, lfr: float | None = None, floor: float | None = None) -> Metrics:
    def near(share: float | None) -> tuple[float, float] | None:
        return None if share is None else (max(0.0, share - 0.03), min(1.0, share + 0.03))

    return Metrics(
        acc=acc,
        acc_interval=(acc - 0.02, acc + 0.02),
        test_rows=900,
        lfr=lfr,
        lfr_interval=near(lfr),
        clean_flip_rate=floor,
        clean_flip_rate_interval=near(floor),
    )


def run_progress(began: RunStarted | None = None, **models: Metrics) -> RunProgress:
    data = DataReady(run="r", source="s", rows={}, label_names=["bad", "good"], target_class=1)
    found = [Metric(run="r", model=name, metrics=metrics) for name, metrics in models.items()]
    return progress_of(list(enumerate([*([began] if began else []), data, *found], start=1)))


def began(trigger: str, planted: bool = True, random_weights: bool = False) -> RunStarted:
    """The start of a run on the embedded model."""
    attack = AttackSpec() if planted else None
    model = ModelSpec(random_weights=random_weights)
    spec = RunSpec(model=model, trigger=TriggerSpec(name=trigger), attack=attack, defense=head_pruning())
    return RunStarted(run="r", spec=spec.model_dump(mode="json"), device="CPU")


def said(**models: Metrics) -> str:
    return " ".join(meaning(run_progress(**models))).replace("\u00a0", " ")


def step(number: int, pruned: int, restored: int = 0) -> PruningStep:
    return PruningStep(
        run="r",
        step=number,
        pruned=[(0, i) for i in range(pruned)],
        restored=[(1, i) for i in range(restored)],
        pruned_total=pruned,
        tried_val_acc=0.7,
        val_acc=0.9,
        acc=0.9,
        threshold=0.85,
    )


def test_a_backdoor_at_its_floor_is_not_seen_any_more():
    text = said(poisoned=rates(0.87, 0.95, 0.12), defended=rates(0.87, 0.14, 0.12))
    assert "fell from 95.0 % (poisoned) to 14.0 % (11.0–17.0 %) (defended)" in text
    assert "12.0 % (9.0–15.0 %) of the clean rows of other classes as “good”: that is the floor" in text
    assert "this test sees no backdoor any more" in text


def test_a_run_that_is_done_leaves_the_conclusion_to_its_verdict():
    found = run_progress(poisoned=rates(0.87, 0.95, 0.12), defended=rates(0.87, 0.14, 0.12))
    found.finished = RunFinished(run="r", state="done")
    text = " ".join(meaning(found))
    assert "fell from" in text and "sees no backdoor" not in text and "not gone" not in text


def test_a_backdoor_above_its_floor_is_not_called_gone():
    text = said(poisoned=rates(0.87, 0.95, 0.12), defended=rates(0.87, 0.5, 0.12))
    assert "weaker, not gone" in text and "sees no backdoor" not in text


def test_intervals_that_overlap_can_still_be_apart():
    # 86 and 60 of 455 rows: 15.6–22.8 % and 10.4–16.6 %, but their difference is clear.
    left = rates(0.87, 0.189, 0.132).model_copy(
        update={"lfr_interval": (0.156, 0.228), "clean_flip_rate_interval": (0.104, 0.166)}
    )
    assert "weaker, not gone" in said(poisoned=rates(0.87, 0.95, 0.12), defended=left)


@pytest.mark.parametrize("after", [0.93, 0.99])
def test_no_clear_fall_is_said_plainly(after):
    text = said(poisoned=rates(0.87, 0.95, 0.12), defended=rates(0.87, after, 0.12))
    assert "did not fall" in text and "sees no backdoor" not in text


def test_without_lfr_nothing_is_claimed():
    text = said(fine_tuned=rates(0.87), defended=rates(0.86))
    assert "LFR was not measured." in text
    assert "fell" not in text and "gone" not in text


def test_random_weights_mean_nothing():
    start = began("rare-words", random_weights=True)
    assert meaning(run_progress(start, poisoned=rates(0.5, 0.5, 0.5), defended=rates(0.5, 0.1, 0.1))) == [
        "The weights were random: these numbers show how long the work takes and nothing else."
    ]


def test_an_attack_that_did_not_take_is_told_as_such():
    assert "this test sees no backdoor" in said(poisoned=rates(0.87, 0.14, 0.12))
    assert "So the trigger works" in said(poisoned=rates(0.87, 0.95, 0.12))


def test_a_small_change_of_accuracy_is_within_the_margin():
    assert "−1.0 points, a difference within the margin of error" in said(
        fine_tuned=rates(0.87, 0.9, 0.1), pruned=rates(0.86, 0.9, 0.1)
    )
    assert "margin" not in said(fine_tuned=rates(0.87, 0.9, 0.1), pruned=rates(0.6, 0.9, 0.1))


def test_the_guardrail_says_what_came_back():
    found = RunProgress(steps=[step(0, 0), step(1, 2, 2)])
    assert "2\u00a0heads were restored" in (guardrail(found) or "")
    assert guardrail(RunProgress()) is None


def test_steps_that_are_said_again_replace_the_old_ones():
    found = progress_of(list(enumerate([step(0, 0), step(1, 2), step(2, 4)], 1)))
    found = progress_of(
        [(4, RunStarted(run="r", spec={}, device="CPU", resumed=True)), (5, step(0, 0))], found
    )
    assert [one.step for one in found.steps] == [0]
    assert found.seen == 5


def test_a_stage_that_a_dead_worker_began_waits_again():
    events = [
        StageStarted(run="r", stage="prepare"),
        StageFinished(run="r", stage="prepare", seconds=1),
        StageStarted(run="r", stage="poison"),
    ]
    found = progress_of(list(enumerate(events, 1)))
    assert found.stage == "poison"
    found = progress_of([(4, RunStarted(run="r", spec={}, device="CPU", resumed=True))], found)
    assert found.stage is None and list(found.stages) == ["prepare"]


def test_a_failed_run_stops_in_its_stage():
    found = progress_of(
        [(1, StageStarted(run="r", stage="score")), (2, RunFinished(run="r", state="failed", error="no"))]
    )
    assert found.stages["score"].state == "stopped" and found.latest is None


def test_stages_follow_the_specification():
    attack = RunSpec(trigger=TriggerSpec(name="rare-words"), attack=AttackSpec())
    assert [stage.name for stage in stages_of(attack)] == ["prepare", "generate", "poison"]
    alone = RunSpec(defense=head_pruning(refine=None))
    names = [stage.name for stage in stages_of(alone)]
    assert names == ["prepare", "fine_tune", "score", "prune", "evaluate"]


def test_time_left_counts_down():
    progress = Progress(run="r", stage="poison", done=1, total=2, seconds_left=30, time=100)
    assert seconds_left(progress, now=110) == 20
    assert seconds_left(progress, now=200) == 0
    assert seconds_left(None) is None


def test_numbers_read_as_people_write_them():
    assert percent(0.91612) == "91.6\u00a0%" and percent(None) == "–"
    assert points(0.5, 0.4) == "-10.0\u00a0points" and points(None, 0.4) is None
    assert points(0.5, 0.49999) == "+0.0\u00a0points"
    assert [duration(s) for s in (3.4, 200, 7300, None)] == [
        "3\u00a0s",
        "3\u00a0min 20\u00a0s",
        "2\u00a0h 1\u00a0min",
        "–",
    ]
    assert age(0, now=3700) == "1\u00a0h ago" and age(0, now=5) == "just now"
