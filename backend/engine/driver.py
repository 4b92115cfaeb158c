"""Carries out steps: each is computed, or taken from the run's folder or the stage cache, and reported."""

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from backend.base.checkpoints import Damaged, checked_record, read_record, write_record
from backend.base.events import Artifact, Head, Metric, Metrics, Warned
from backend.base.files import sync
from backend.base.reporter import Reporter
from backend.base.source_code import code_hash
from backend.base.steps import BASE, VICTIM, Record, Step, Steps, TextFilter
from backend.engine.stage_cache import fetch, key_of, offer, withdraw
from backend.training.inputs import Inputs

ENGINE = (__name__, "backend.engine.step_inputs", "backend.engine.measurement")
"""Modules whose code is part of every step's cache key, with that of its work."""

InputsOf = Callable[[Step], Inputs]
"""The inputs of a step's work."""
Measure = Callable[[Path, TextFilter | None], Metrics]
"""The metrics of the model in a folder."""


class Driver:
    """Carries out one run's steps in one folder; results are collected in `metrics` and `pruned_heads`, the
    folder of the last model in `last_model`.

    `base` is the hash of the run's rows and seed, empty where the run does not use the stage cache."""

    def __init__(self, folder: Path, report: Reporter) -> None:
        self.folder = folder
        self.report = report
        self.metrics: dict[str, Metrics] = {}
        self.pruned_heads: list[Head] = []
        self.last_model = ""
        self.base = ""
        self._keys = {VICTIM: "", BASE: ""}

    @property
    def share(self) -> bool:
        return bool(self.base)

    def share_from(self, base: str, victim: str, claimed_base: str = "") -> None:
        """Use the stage cache: `base` is the hash of what every step depends on, `victim` of the model, and
        `claimed_base` of the model that it claims to come from."""
        self.base, self._keys[VICTIM], self._keys[BASE] = base, victim, claimed_base

    def follow(self, steps: Steps, inputs: InputsOf, measure: Measure) -> None:
        """Carry out every step of a generator in turn."""
        record: Record | None = None
        try:
            while True:
                step = next(steps) if record is None else steps.send(record)
                record = self.carry_out(step, inputs, measure)
        except StopIteration:
            return

    def carry_out(self, step: Step, inputs: InputsOf, measure: Measure) -> Record:
        """The record of a step, computed now or read from the folder that it left earlier."""
        self.report.begin(step.stage)
        for message in step.warnings:
            self.report.emit(Warned, message=message)
        key = self._key(step)
        place = self.folder / step.folder
        record = self._read(place)
        if self.share and record is not None and record.get("key") != key:
            # Made from other inputs or code: later steps must not get the keys of steps after the present.
            key = record.get("key") or key_of(str(place), key)
        if record is None and self.share and fetch(key, place):
            record = self._read(place)
            if record is None:
                withdraw(key)
        reused = record is not None
        if record is None:
            record = self._do(step, place, key, inputs(step), measure)
        elif step.retell is not None:
            step.retell(self.report, record)
        self._keys[step.folder] = key
        self._tell(step, record)
        self.report.finish(reused)
        return record

    def tell(self, model: str, metrics: Metrics) -> None:
        """Keep a model's metrics and report them."""
        self.metrics[model] = metrics
        self.report.emit(Metric, model=model, metrics=metrics)

    def measured_on(self, step: Step) -> None:
        """All models are measured on the output of this step, so every later step depends on it."""
        self.base = self._keys[step.folder]

    def planted(self, step: Step) -> None:
        """The output of this step is the victim of the later steps."""
        self._keys[VICTIM] = self._keys[step.folder]

    def _key(self, step: Step) -> str:
        """The cache key of a step, a hash of all that determines its result; empty without a stage cache."""
        if not self.share:
            return ""
        work = step.work.func if isinstance(step.work, partial) else step.work
        modules = [work.__module__, *(component.function.__module__ for component in step.components)]
        text_filter = step.text_filter
        if text_filter is not None:
            modules.append(text_filter.apply.__module__)
        filtering = text_filter and (text_filter.settings, text_filter.rows)
        settings = [*step.settings, bool(step.model), filtering]
        reads = [self._keys[name] for name in step.reads]
        return key_of(self.base, step.stage.name, code_hash(*ENGINE, *modules), settings, reads)

    def _do(self, step: Step, place: Path, key: str, inputs: Inputs, measure: Measure) -> Record:
        """Let the step's work fill a hidden folder, which is renamed once it is complete and on the disk."""
        for leftover in self.folder.glob(f".{step.folder}-*"):  # of a process that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        hidden = self.folder / f".{step.folder}-{os.getpid()}"
        hidden.mkdir()
        try:
            record = step.work(inputs, hidden, *step.settings)
            if step.model:
                record = record | {"metrics": measure(hidden, step.text_filter).model_dump(mode="json")}
            write_record(hidden, record | {"key": key})
            shutil.rmtree(place, ignore_errors=True)
            hidden.rename(place)
            sync(self.folder)
            if self.share:
                offer(key, place)
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
        return read_record(place)

    def _read(self, place: Path) -> dict[str, Any] | None:
        """The record of a finished step, None if there is none or the step has to be done again."""
        try:
            return checked_record(place)
        except Damaged as error:
            message = f"The checkpoint in {place.name} {error}; that stage is done again."
            self.report.emit(Warned, message=message)
            return None

    def _tell(self, step: Step, record: Record) -> None:
        if step.model:
            self.last_model = step.folder
            self.tell(step.model, Metrics.model_validate(record["metrics"]))
            self.report.emit(Artifact, name=step.model, path=step.folder)
        self.pruned_heads = [(layer, head) for layer, head in record.get("pruned_heads", self.pruned_heads)]
