"""A run as a generator of typed events.

Rows are prepared and triggered, the backdoor is planted, and then come the steps of the defense.  Each step
leaves a folder in the run's folder, with its checkpoint and its record `excise.json`; a resumed run reads the
folders that exist and goes on with the first step that has none."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue

from backend import defenses
from backend.attacks.planting import PREPARE, planting
from backend.base.device import probe
from backend.base.errors import Cancelled, message_of
from backend.base.events import Artifact, Event, Metrics, RunFinished, RunStarted, Warned
from backend.base.files import folder_hashes
from backend.base.reporter import Reporter
from backend.detection.check import as_received, check, receive
from backend.engine.class_check import check_class_order
from backend.engine.clean_data import CleanData, prepare
from backend.engine.driver import Driver
from backend.engine.generated_rows import REWRITINGS
from backend.engine.measurement import Measurement
from backend.engine.stage_cache import key_of, libraries
from backend.engine.step_inputs import check_inputs_of, inputs_of
from backend.engine.triggered_data import encoded, generation
from backend.models.catalogue import base_model
from backend.models.classifiers import own_head
from backend.models.places import stored_at
from backend.spec.run import ModelSpec, RunSpec


def run(spec: RunSpec, folder: Path, *, run: str, stop: threading.Event | None = None) -> Iterator[Event]:
    """Run `spec` with its artifacts below `folder`, yielding events; the last is `RunFinished`.

    Setting `stop`, or closing the generator, ends the run within one batch.  An error ends it as
    failed, with a message for the user; finished stages stay and are not done again."""
    stop = stop or threading.Event()
    # One event at a time: the engine waits until its reader has stored the last one.
    channel: Queue[Event | None] = Queue(maxsize=1)
    engine = threading.Thread(target=_drive, args=(spec, folder, run, stop, channel), name=f"run {run}")
    engine.start()
    try:
        while (event := channel.get()) is not None:
            yield event
    finally:
        stop.set()
        while engine.is_alive():
            with contextlib.suppress(Empty):
                channel.get(timeout=0.1)  # so that an engine that waits to send an event can end


def _drive(
    spec: RunSpec, folder: Path, run: str, stop: threading.Event, channel: "Queue[Event | None]"
) -> None:
    began = time.monotonic()
    ending = RunFinished(run=run, state="failed", random_weights=spec.model.random_weights)
    driver: Driver | None = None
    try:
        resumed = folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        report = Reporter(run, stop, channel.put)
        report.emit(RunStarted, spec=spec.model_dump(mode="json"), device=probe().name, resumed=resumed)
        driver = Driver(folder, report)
        carry_out(spec, driver)
        ending.state = "done"
    except Cancelled:
        ending.state = "cancelled"
    except BaseException as error:  # a panic in a library written in Rust is no Exception
        ending.error = message_of(error, folder)
    if driver is not None:
        ending.metrics = driver.metrics
        ending.pruned_heads = driver.pruned_heads
    ending.seconds = time.monotonic() - began
    ending.time = time.time()
    channel.put(ending)
    channel.put(None)


def carry_out(spec: RunSpec, driver: Driver) -> None:
    """Every step that the specification asks for, in order."""
    report, folder = driver.report, driver.folder
    report.begin(PREPARE)
    clean = prepare(spec, report)
    spec = spec.model_copy(update={"model": clean.model})
    measurement = Measurement(spec, clean, report)
    report.finish()
    if spec.share:
        base = _model_key(base_model(spec.check.base)) if spec.check is not None and spec.check.base else ""
        driver.share_from(_rows_key(spec, clean), _model_key(spec.model), base)
    if spec.trigger is not None:
        step = generation(spec, clean)
        record = driver.carry_out(step, inputs_of(spec, clean, measurement, driver), measurement.measure)
        driver.measured_on(step)
        report.emit(Artifact, name="rewritings", path=f"{step.folder}/{REWRITINGS}")
        measurement.triggered = encoded(spec, clean, record["rows"])
    victim = spec.model
    if spec.attack is not None:
        assert measurement.triggered is not None
        step = planting(spec.attack)
        rows = measurement.triggered.poisoned_train
        driver.carry_out(step, inputs_of(spec, clean, measurement, driver, rows), measurement.measure)
        driver.planted(step)
        victim = ModelSpec(source="folder", name=str(folder / step.folder), head=spec.model.head)
    if spec.only_checks:
        step = receive()
        driver.carry_out(step, inputs_of(spec, clean, measurement, driver), measurement.measure)
        _ask_for_order(spec, clean, driver.metrics[step.model], driver)
    if spec.defense is not None:
        if spec.attack is None:
            _keep_as_received(spec, clean, measurement, driver)
        inputs = inputs_of(spec.model_copy(update={"model": victim}), clean, measurement, driver)
        driver.follow(defenses.steps_of(spec.defense), inputs, measurement.measure)
    if spec.check is not None:
        check_inputs = check_inputs_of(spec, clean, measurement, driver)
        driver.follow(check(spec.check, driver.last_model), check_inputs, measurement.measure)


def _rows_key(spec: RunSpec, clean: CleanData) -> str:
    """The hash of the clean rows, the device and the seed, on which every step depends."""
    dataset = clean.dataset
    rows = [
        key_of(split.texts, split.second_texts, split.labels)
        for split in (dataset.train, dataset.validation, dataset.test)
    ]
    names = (dataset.label_names, clean.target_class, spec.data.max_length)
    return key_of(libraries(), probe().name, rows, names, spec.seed)


def _model_key(model: ModelSpec) -> str:
    """The hash of a model that the run starts from."""
    weights: list[str] = []
    if not model.random_weights and (stored := stored_at(model)) is not None:
        # The weights of a hub model may not be downloaded yet; its revision identifies them.
        weights = [stored.name] if model.source == "hub" else folder_hashes(stored)
    return key_of(model, weights)


def _keep_as_received(spec: RunSpec, clean: CleanData, measurement: Measurement, driver: Driver) -> None:
    """Keep and measure a victim that comes with a whole classifier before the defense changes it.  Raises
    UserError where its classes seem to come in another order."""
    head = own_head(spec.model, clean.dataset)
    if head is not None:
        step = as_received(spec.model, head)
        driver.carry_out(step, inputs_of(spec, clean, measurement, driver), measurement.measure)
        _ask_for_order(spec, clean, driver.metrics[step.model], driver)


def _ask_for_order(spec: RunSpec, clean: CleanData, metrics: Metrics, driver: Driver) -> None:
    """Raise UserError, a question, where the received model's classes seem to come in another order."""
    if spec.model.source != "run":  # a run's own model has the data's classes
        for message in check_class_order(metrics, clean.dataset):
            driver.report.emit(Warned, message=message)
