"""The inputs of each step's work."""

from collections.abc import Callable

from backend.attacks import triggers
from backend.attacks.poison import triggered
from backend.base.errors import UserError
from backend.base.steps import BASE, VICTIM, Step
from backend.data.rows import Dataset, Rows
from backend.data.tokens import Encoded
from backend.detection.inputs import CheckInputs, GivenTrigger
from backend.engine.clean_data import CleanData
from backend.engine.driver import Driver
from backend.engine.measurement import Measurement
from backend.engine.ready_rows import ready_made
from backend.models.catalogue import base_model
from backend.spec.run import RunSpec
from backend.training.inputs import Inputs

MOST_FRESH_ROWS = 600
"""Rows that a check of a received model keeps to try triggers on, at most; and at most half of all rows."""
ENOUGH_TRIGGERED = 100
"""Rows with the trigger that the user gives, as far as there are: the test rows alone may be few."""


def inputs_of(
    spec: RunSpec, clean: CleanData, measurement: Measurement, driver: Driver, rows: Encoded | None = None
) -> Callable[[Step], Inputs]:
    """A function from a step to its inputs: of the folders, only those that it declares to read."""
    return lambda step: Inputs(
        train=rows or clean.train,
        validation=clean.validation,
        label_names=clean.dataset.label_names,
        victim=spec.model,
        seed=spec.seed,
        folders={name: driver.folder / name for name in step.reads if name not in (VICTIM, BASE)},
        scratch=driver.folder / "training" / step.stage.name,
        report=driver.report,
        curve=measurement.curve,
    )


def check_inputs_of(
    spec: RunSpec, clean: CleanData, measurement: Measurement, driver: Driver
) -> Callable[[Step], CheckInputs]:
    """The same with the rows that a check sees, and those with the trigger."""
    inputs = inputs_of(spec, clean, measurement, driver)
    known, fresh = _known_and_fresh(clean.dataset, spec.only_checks)
    given = None
    if spec.trigger is not None and measurement.triggered is not None:
        rewriter = triggers.bind(spec.trigger, spec.seed)
        assert clean.target_class is not None
        rows = measurement.triggered.test_rows
        if spec.only_checks and ready_made(spec.trigger) is None:
            kept = fresh.take(range(len(clean.dataset.test), len(fresh)))
            rows += _triggered(kept, rewriter, clean.target_class, ENOUGH_TRIGGERED - len(rows))
        given = GivenTrigger(_title(rewriter), rewriter.rewrites, rows, clean.target_class)
    length = spec.data.max_length
    assert spec.check is not None
    base = base_model(spec.check.base)
    return lambda step: CheckInputs(
        **vars(inputs(step)), base=base, known_rows=known, fresh_rows=fresh, max_length=length, given=given
    )


def _triggered(rows: Rows, rewriter: triggers.Rewriter, target_class: int, most: int) -> Rows:
    """At most so many of the rows of other classes, with the trigger."""
    others = [row for row, label in enumerate(rows.labels) if label != target_class]
    try:
        return triggered(rows.take(others[: max(0, most)]), rewriter, target_class)[0]
    except UserError:  # there is none, or the trigger changes none
        return rows.take([])


def _known_and_fresh(dataset: Dataset, nothing_is_trained: bool) -> tuple[Rows, Rows]:
    """The rows that a clean model learns and that the scan looks at, and those that neither sees.

    A run that trains nothing else needs few rows to learn from, and few rows make wide intervals."""
    known, fresh = dataset.train, dataset.test + dataset.validation
    if nothing_is_trained:
        wanted = min(MOST_FRESH_ROWS, (len(known) + len(fresh)) // 2)
        kept = len(known) - max(0, wanted - len(fresh))
        fresh += known.take(range(kept, len(known)))
        known = known.take(range(kept))
    return known, fresh


def _title(rewriter: triggers.Rewriter) -> str:
    """The trigger's title with what was set, such as its words."""
    changed = rewriter.params.model_dump(mode="json", exclude_defaults=True).values()
    values = [", ".join(map(str, value)) if isinstance(value, list) else str(value) for value in changed]
    return f"{rewriter.title} ({'; '.join(values)})" if values else rewriter.title
