"""All that is known of a run, gathered once: for the report, the model card, the export, pages and the CLI.

What takes time to read is read when it is first asked for: a live page asks for little, every second."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from backend.analysis import run_models
from backend.analysis.answers import Place
from backend.analysis.battery import Battery, Role, places_of, read_battery
from backend.analysis.compact import CompactMeasurement, read_measurement
from backend.analysis.head_effects import Effects, read_effects
from backend.base.checkpoints import read_record
from backend.base.events import Event, Head, Metrics, ModelName
from backend.base.paths import run_folder
from backend.detection.check import RECEIVED
from backend.evaluation.rates import errs_more
from backend.findings.battery import of_last_model
from backend.findings.check import CheckVerdict, judge_check
from backend.findings.verdict import Verdict, judge
from backend.runs import results
from backend.runs.progress import RunProgress, progress_of
from backend.runs.records import RunRecord
from backend.runs.relatives import never_poisoned, of_other_seeds
from backend.runs.store import Store
from backend.spec.run import RunSpec


@dataclass(frozen=True, eq=False)
class Findings:
    """One run as it was when it was gathered.  `progress` holds what its events have told so far.

    A cached property stays as it was first read; the others are read again each time."""

    store: Store
    record: RunRecord
    progress: RunProgress

    @property
    def run(self) -> str:
        """The run's id."""
        return self.record.id

    @property
    def spec(self) -> RunSpec | None:
        """The run's settings; None where `problem` says why they are not valid in this version."""
        return self.record.spec

    @property
    def problem(self) -> str | None:
        return self.record.problem

    @property
    def metrics(self) -> dict[ModelName, Metrics]:
        """The metrics of each model measured so far, in order."""
        return self.progress.metrics

    @property
    def pruned_heads(self) -> list[Head]:
        """Heads pruned at the end, or so far."""
        summary = self.record.summary
        return summary.pruned_heads if summary is not None and summary.pruned_heads else self.progress.pruned

    @cached_property
    def events(self) -> list[Event]:
        """All events of the run, in order."""
        return [event for _, event in self.store.events(self.run)]

    @property
    def head_list(self) -> dict[str, Any]:
        """Which heads were pruned and which are left, as plain data."""
        return results.head_list(self.record, self.events)

    @cached_property
    def versions(self) -> dict[str, str]:
        """Of Python and the libraries; empty before the run has started."""
        return results.versions(self.run)

    @property
    def made_with(self) -> str:
        """The version of Excise that carried the run out; this one if the run does not record it."""
        return results.made_with(self.run)

    @property
    def rewritings(self) -> Path | None:
        """The table of its triggered rows; None if it has none (yet)."""
        return results.rewritings(self.run)

    @property
    def model_folder(self) -> Path | None:
        """The model to export: the defended one, or that of a check as it was received; None if the run has
        none (yet)."""
        return results.model_folder(self.run, RECEIVED if self.only_checks else results.MODEL_FOLDER)

    @cached_property
    def received(self) -> dict[str, Any] | None:
        """Architecture, layers, heads, classes and SHA-256 of the model that a check received; None of other
        runs."""
        try:
            return read_record(run_folder(self.run) / RECEIVED)
        except (OSError, ValueError):
            return None

    @cached_property
    def models_left(self) -> list[ModelName]:
        """The run's own models whose checkpoints are there."""
        return run_models.models_left(self.run)

    @cached_property
    def places(self) -> dict[ModelName, Place]:
        """Its models that can be loaded, and the poisoned one that it began with, even of another run."""
        return run_models.places(self.record)

    @property
    def compact(self) -> CompactMeasurement | None:
        """Size and speed of the compact model; None while there is none."""
        return read_measurement(self.run)

    @cached_property
    def effects(self) -> Effects | None:
        """What each head does, as far as it was measured."""
        return read_effects(self.run)

    @cached_property
    def battery(self) -> Battery | None:
        """What known triggers do, as far as they were tried."""
        return read_battery(self.run)

    @cached_property
    def battery_places(self) -> dict[Role, Place]:
        """The models that a battery would try now."""
        return places_of(self.store, self.record)

    @cached_property
    def reference(self) -> Metrics | None:
        """The metrics of its never-poisoned reference, whose LFR is the floor of its own; None without one.

        A reference that clearly errs more on clean rows is not used."""
        last = self.record.final_metrics
        references = never_poisoned(self.store, self.record)
        return next((metrics for metrics in references if last is None or not errs_more(metrics, last)), None)

    @cached_property
    def seeds(self) -> list[Metrics]:
        """The last metrics of this run and of those that differ only in the seed; empty without any."""
        return of_other_seeds(self.store, self.record)

    @property
    def check(self) -> CheckVerdict | None:
        """Whether its last model is backdoored; None without a check, and before anything is known."""
        return judge_check(self.progress, self.spec)

    @property
    def only_checks(self) -> bool:
        """Whether the run changes no model, so that there is nothing to show but its check."""
        return self.spec is not None and self.spec.only_checks

    @property
    def judged_by_check(self) -> bool:
        """Whether only its check can judge it: it changes no model, or knows no trigger to measure with."""
        spec = self.spec
        return self.check is not None and (self.only_checks or (spec is not None and spec.trigger is None))

    @cached_property
    def verdict(self) -> Verdict | None:
        """What became of the backdoor; None unless the run is done."""
        if self.record.state != "done":
            return None
        return judge(self.progress, self.reference, self.seeds, of_last_model(self.battery))


def gather(store: Store, record: RunRecord, progress: RunProgress | None = None) -> Findings:
    """The findings of a run; up to `progress` where it is given, everything else is read anew."""
    if progress is None:
        progress = progress_of(store.events(record.id))
    if record.summary is not None:
        # The summary also has metrics from events that this version cannot read.
        progress.metrics |= record.summary.metrics
    return Findings(store, record, progress)
