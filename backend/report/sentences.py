"""What a run's numbers mean, in plain sentences: computed from them and never beyond them."""

import math

from backend.base.events import Metrics, ModelName, RowsTriggered, title_of
from backend.base.numbers import GAP, count, interval, percent, with_interval
from backend.evaluation.rates import acc_of, at_chance, clearly_above, floor_of, lfr_of
from backend.findings.battery import Finding, rate_of
from backend.findings.caveats import FEW, few_triggered, lost_classes
from backend.runs.progress import RunProgress, first_tuned
from backend.spec.run import is_untrained

REWRITING = (
    "rewriting does to a clean model: compare with a never-poisoned reference (page Playground, or the "
    "baseline “reference”)."
)

UNKNOWN = "No trigger is known here, so LFR was not measured."
NO_BETTER = "no better than guessing on clean rows, so its LFR says nothing about a backdoor."


def meaning(progress: RunProgress) -> list[str]:
    """A few sentences on what the numbers so far say; none while there are none.

    Of a run that is done they draw no conclusion about the backdoor: its verdict does, which may have a
    better floor."""
    measured = progress.measured()
    if not measured:
        return []
    if is_untrained(progress.spec):
        return ["The weights were random: these numbers show how long the work takes and nothing else."]
    first, last = measured[0], measured[-1]
    if first == last:
        return _one_model(progress, last, _target(progress)) + caveats(last, progress.metrics[last])
    guessing = next((name for name in (first, last) if at_chance(progress.metrics[name])), None)
    flips = [*_flips(progress, measured), *_share(progress, measured)]
    if guessing is not None and progress.metrics[last].lfr is not None:
        flips = [f"The {_model(guessing)} model does {NO_BETTER}"]
    return _accuracy(progress.metrics, measured) + flips + caveats(last, progress.metrics[last])


def caveats(name: ModelName, metrics: Metrics) -> list[str]:
    """What the numbers of one model hide; empty where there is nothing to say."""
    lost = lost_classes(metrics)
    sentences = [
        f"The {_model(name)} model classifies none of the {count(row.rows, 'test row')} of “{row.label}” "
        "correctly: that class is lost."
        for row in lost
    ]
    if (rows := few_triggered(metrics)) is not None:
        sentences.append(f"{few_rows(rows)}: read its interval, not the figure alone.")
    return sentences


def few_rows(rows: int) -> str:
    """That LFR rests on few triggered rows, as the beginning of a sentence."""
    return f"Only {count(rows, 'triggered row')} for LFR, fewer than {FEW}"


def guardrail(progress: RunProgress, upto: int | None = None) -> str | None:
    """How far pruning went and what ended it; of the first `upto` steps, if it is given."""
    steps = progress.steps[:upto]
    if not steps:
        return None
    last = steps[-1]
    total = f" of {progress.scores.layers * progress.scores.heads}" if progress.scores else ""
    pruned = f"{last.pruned_total}{total} heads pruned"
    if last.restored:
        were = "was" if len(last.restored) == 1 else "were"
        return (
            f"{pruned}. The guardrail stopped at step {last.step}: pruning all "
            f"{count(len(last.pruned) + len(last.restored), 'head')} of it took validation accuracy to "
            f"{percent(last.tried_val_acc)}, below τ = {percent(last.threshold)}, "
            f"so {count(len(last.restored), 'head')} {were} restored."
        )
    return f"{pruned}; validation accuracy {percent(last.val_acc)}, guardrail τ = {percent(last.threshold)}."


def rows_triggered(rows: RowsTriggered) -> str:
    """How many rows carry the trigger, and how many were left out."""
    if rows.ready_made:
        trained = f"{count(rows.poisoned, 'row')} of a poisoned training file, " if rows.poisoned else ""
        return (
            f"{trained}{count(rows.triggered, 'test row')} that came with the trigger, "
            f"{rows.triggered_left_out:,} left out."
        )
    planted = ""
    if rows.poisoned:
        planted = f"{count(rows.poisoned, 'training row')} poisoned, {rows.poisoned_left_out:,} left out; "
    return f"{planted}{count(rows.triggered, 'test row')} triggered, {rows.triggered_left_out:,} left out."


def sampled(progress: RunProgress, most: int) -> str:
    """How many test rows the curve is measured on (at most `most` a step), and its margin of error."""
    rows = {"clean": min(most, progress.data.rows.get("test", most)) if progress.data is not None else most}
    has_lfr = progress.rows is not None and any(step.lfr is not None for step in progress.steps)
    if has_lfr and progress.rows is not None:
        rows["triggered"] = min(most, progress.rows.triggered)
    sizes = " and ".join(f"{number:,} {kind}" for kind, number in rows.items())
    # Half the width of a 95 % interval is greatest for a share of one half.
    reach = 98 / math.sqrt(max(1, min(rows.values())))
    return (
        f"{'ACC and LFR' if has_lfr else 'ACC'} of the curve: on {sizes} test rows, so with 95{GAP}% "
        f"intervals of up to ±{reach:.0f}{GAP}points."
    )


def _one_model(progress: RunProgress, name: ModelName, target: str) -> list[str]:
    metrics = progress.metrics[name]
    correct = with_interval(*acc_of(metrics))
    accuracy = f"The {_model(name)} model classifies {correct} of clean rows correctly."
    if metrics.lfr is None:
        return [accuracy, UNKNOWN, "So a backdoor cannot be judged by it."]
    if at_chance(metrics):
        return [accuracy, f"It does {NO_BETTER}"]
    flips = (
        f"With the trigger in it, {with_interval(*lfr_of(metrics))} of the rows of other classes "
        f"are classified as {target}; without the trigger, {with_interval(*floor_of(metrics))}."
    )
    if clearly_above(lfr_of(metrics), floor_of(metrics)):
        conclusion = "So the trigger works, and clean test rows alone would not show it."
        if progress.rewrites:
            conclusion = f"So the trigger works, or it does no more than {REWRITING}"
        return [accuracy, flips, conclusion]
    return [
        accuracy,
        flips,
        "So the trigger changes little or nothing: this test sees no backdoor.",
    ]


def _accuracy(metrics: dict[ModelName, Metrics], measured: list[ModelName]) -> list[str]:
    # The loss is counted from the defender's own fine-tuned model, not from the attacker's.
    last = measured[-1]
    tuned = first_tuned(measured)
    before = measured[0] if tuned in (None, last) else tuned
    assert before is not None
    a, b = metrics[before], metrics[last]
    signed = f"{100 * (b.acc - a.acc) + 0.0:+.1f}".replace("-", "−")
    clear = clearly_above(acc_of(a), acc_of(b)) or clearly_above(acc_of(b), acc_of(a))
    note = "" if clear else ", a difference within the margin of error"
    return [
        f"Accuracy on clean rows went from {percent(a.acc)} ({_model(before)}) to "
        f"{with_interval(*acc_of(b))} ({_model(last)}): {signed}{GAP}points{note}."
    ]


def _flips(progress: RunProgress, measured: list[ModelName]) -> list[str]:
    metrics, target = progress.metrics, _target(progress)
    with_lfr = [name for name in measured if metrics[name].lfr is not None]
    if not with_lfr:
        return [UNKNOWN]
    a, b = metrics[with_lfr[0]], metrics[with_lfr[-1]]
    now = with_interval(*lfr_of(b))
    floor = (
        f"Without any trigger the same model classifies {with_interval(*floor_of(b))} of the clean rows of "
        f"other classes as {target}: that is the floor."
    )
    if len(with_lfr) == 1:
        return [f"The trigger turns {now} of the rows of other classes into {target}. {floor}"]
    path = f"from {percent(a.lfr)} ({_model(with_lfr[0])}) to {now} ({_model(with_lfr[-1])})"
    if not clearly_above(lfr_of(a), lfr_of(b)):
        verb = "did not fall clearly" if (b.lfr or 0) <= (a.lfr or 0) else "did not fall"
        return [f"The trigger's flip rate (LFR) {verb}: it went {path}. {floor}"]
    if progress.finished is not None and progress.finished.state == "done":
        rest = ""
    elif clearly_above(lfr_of(b), floor_of(b)):
        rest = " The backdoor is weaker, not gone."
        if progress.rewrites:
            rest = f" What is left may be what {REWRITING}"
    else:
        rest = " The rest is within the margin of error of that floor: this test sees no backdoor any more."
    return [f"The trigger's flip rate (LFR) fell {path}. {floor}{rest}"]


def _share(progress: RunProgress, measured: list[ModelName]) -> list[str]:
    """How the flip rate changed from model to model."""
    path = [(name, progress.metrics[name].lfr) for name in measured if progress.metrics[name].lfr is not None]
    if len(path) < 3:
        return []
    steps = ", ".join(f"{_model(name)} {percent(lfr)}" for name, lfr in path)
    credit = ""
    if path[-1][0] == "defended" and "refine" in progress.stages:
        credit = (
            " The last step is a second fine-tuning: to see how much of it is due to "
            "pruning, compare with the same fine-tuning without pruning."
        )
    return [f"LFR step by step: {steps}.{credit}"]


def _model(name: ModelName) -> str:
    return title_of(name).lower()


def _target(progress: RunProgress) -> str:
    if progress.data is None or progress.data.target_class is None:
        return "the target class"
    return f"“{progress.data.label_names[progress.data.target_class]}”"


def finding_sentence(finding: Finding) -> str:
    """What a trigger of the battery does, beside a clean model where there is one."""
    flipped, clean = with_interval(*rate_of(finding.flips)), finding.clean
    beside = (
        "" if clean is None else f" (clean model:{GAP}{percent(clean.share)}, {interval(clean.interval)})"
    )
    title = finding.title[:1].lower() + finding.title[1:]
    return f"{title} flips {flipped} of rows to “{finding.label}”{beside}"
