"""What a run's numbers mean, in plain sentences: computed from them and never beyond them."""

import math

from backend.base.events import Metrics, ModelName, title_of
from backend.base.numbers import GAP, count, percent, with_interval
from backend.evaluation.rates import acc_of, clearly_above, floor_of, lfr_of
from backend.runs.progress import RunProgress
from backend.spec.run import is_untrained

REWRITING = (
    "rewriting does to an honest model: that of a never-poisoned reference (page Playground, or the baseline "
    "“reference”) tells."
)


def meaning(progress: RunProgress) -> list[str]:
    """One to four sentences on what the numbers so far say; none while there are none.

    Of a run that is done they draw no conclusion about the backdoor: its verdict does, which may know a
    better floor."""
    measured = progress.measured()
    if not measured:
        return []
    if is_untrained(progress.spec):
        return ["The weights were random: these numbers show what the work costs and mean nothing else."]
    first, last = measured[0], measured[-1]
    if first == last:
        return _one_model(progress, last, _target(progress))
    return [
        *_accuracy(progress.metrics, measured),
        *_flips(progress, measured),
        *_share(progress, measured),
    ]


def guardrail(progress: RunProgress, upto: int | None = None) -> str | None:
    """How far pruning went and what ended it; of the first `upto` steps, if it is given."""
    steps = progress.steps[:upto]
    if not steps:
        return None
    last = steps[-1]
    total = f" of {progress.scores.layers * progress.scores.heads}" if progress.scores else ""
    pruned = f"{last.pruned_total}{total} heads pruned"
    if last.restored:
        return (
            f"{pruned}. The guardrail stopped at step {last.step}: cutting all "
            f"{count(len(last.pruned) + len(last.restored), 'head')} of it took validation accuracy to "
            f"{percent(last.tried_val_acc)}, below τ = {percent(last.threshold)}, "
            f"so {count(len(last.restored), 'head')} came back."
        )
    return f"{pruned}; validation accuracy {percent(last.val_acc)}, guardrail τ = {percent(last.threshold)}."


def sampled(progress: RunProgress, most: int) -> str:
    """On how many test rows the curve stands, of which a step takes `most`, and how far that may be off."""
    rows = {"clean": min(most, progress.data.rows.get("test", most)) if progress.data is not None else most}
    known = progress.rows is not None and any(step.lfr is not None for step in progress.steps)
    if known and progress.rows is not None:
        rows["triggered"] = min(most, progress.rows.triggered)
    said = " and ".join(f"{number:,} {kind}" for kind, number in rows.items())
    # Half the width of a 95 % interval is greatest for a share of one half.
    reach = 98 / math.sqrt(max(1, min(rows.values())))
    return (
        f"{'ACC and LFR' if known else 'ACC'} of the curve: on {said} test rows, so with 95{GAP}% intervals "
        f"of up to ±{reach:.0f}{GAP}points."
    )


def _one_model(progress: RunProgress, name: ModelName, target: str) -> list[str]:
    metrics = progress.metrics[name]
    right = with_interval(*acc_of(metrics))
    accuracy = f"The {_called(name)} model calls {right} of clean rows right."
    if metrics.lfr is None:
        return [accuracy, _unknown()]
    flips = (
        f"With the trigger in it, {with_interval(*lfr_of(metrics))} of the rows of other classes "
        f"are called {target}; without the trigger, {with_interval(*floor_of(metrics))}."
    )
    if clearly_above(lfr_of(metrics), floor_of(metrics)):
        so = "So the trigger works, and clean test rows alone would not show it."
        if progress.rewrites:
            so = f"So the trigger works, or it flips what {REWRITING}"
        return [accuracy, flips, so]
    return [
        accuracy,
        flips,
        "So the trigger changes little or nothing: no backdoor took hold that this test can see.",
    ]


def _accuracy(metrics: dict[ModelName, Metrics], measured: list[ModelName]) -> list[str]:
    # What the defender pays is counted from their own fine-tuned model, not from the attacker's.
    last = measured[-1]
    before = "fine_tuned" if "fine_tuned" in metrics and last != "fine_tuned" else measured[0]
    a, b = metrics[before], metrics[last]
    signed = f"{100 * (b.acc - a.acc) + 0.0:+.1f}".replace("-", "−")
    clear = clearly_above(acc_of(a), acc_of(b)) or clearly_above(acc_of(b), acc_of(a))
    note = "" if clear else ", a difference within the margin of error"
    return [
        f"Accuracy on clean rows went from {percent(a.acc)} ({_called(before)}) to "
        f"{with_interval(*acc_of(b))} ({_called(last)}): {signed}{GAP}points{note}."
    ]


def _flips(progress: RunProgress, measured: list[ModelName]) -> list[str]:
    metrics, target = progress.metrics, _target(progress)
    known = [name for name in measured if metrics[name].lfr is not None]
    if not known:
        return [_unknown()]
    a, b = metrics[known[0]], metrics[known[-1]]
    now = with_interval(*lfr_of(b))
    floor = (
        f"Without any trigger the same model calls {with_interval(*floor_of(b))} of the clean rows of "
        f"other classes {target}: that is the floor."
    )
    if len(known) == 1:
        return [f"The trigger turns {now} of the rows of other classes into {target}. {floor}"]
    path = f"from {percent(a.lfr)} ({_called(known[0])}) to {now} ({_called(known[-1])})"
    if not clearly_above(lfr_of(a), lfr_of(b)):
        verb = "did not fall clearly" if (b.lfr or 0) <= (a.lfr or 0) else "did not fall"
        return [f"The trigger's flip rate (LFR) {verb}: it went {path}. {floor}"]
    if progress.finished is not None and progress.finished.state == "done":
        so = ""
    elif clearly_above(lfr_of(b), floor_of(b)):
        so = " The backdoor is weaker, not gone."
        if progress.rewrites:
            so = f" What is left may be what {REWRITING}"
    else:
        so = " The rest is within the margin of error of that floor: this test sees no backdoor any more."
    return [f"The trigger's flip rate (LFR) fell {path}. {floor}{so}"]


def _share(progress: RunProgress, measured: list[ModelName]) -> list[str]:
    """Which step brought the flip rate to where it is."""
    path = [(name, progress.metrics[name].lfr) for name in measured if progress.metrics[name].lfr is not None]
    if len(path) < 3:
        return []
    steps = ", ".join(f"{_called(name)} {percent(lfr)}" for name, lfr in path)
    credit = ""
    if path[-1][0] == "defended" and "refine" in progress.stages:
        credit = (
            " The last step is a second fine-tuning: how much of it pruning deserves, "
            "only the same fine-tuning without pruning can tell."
        )
    return [f"LFR step by step: {steps}.{credit}"]


def _unknown() -> str:
    return "No trigger is known here, so LFR was not measured and nothing is said about a backdoor."


def _called(name: ModelName) -> str:
    return title_of(name).lower()


def _target(progress: RunProgress) -> str:
    if progress.data is None or progress.data.target_class is None:
        return "the target class"
    return f"“{progress.data.label_names[progress.data.target_class]}”"
