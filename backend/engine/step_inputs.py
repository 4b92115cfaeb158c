"""The inputs of each step's work."""

from collections.abc import Callable

from backend.attacks import triggers
from backend.base.steps import VICTIM, Step
from backend.data.tokens import Encoded
from backend.detection.inputs import CheckInputs, GivenTrigger
from backend.engine.clean_data import CleanData
from backend.engine.driver import Driver
from backend.engine.measurement import Measurement
from backend.spec.run import RunSpec
from backend.training.inputs import Inputs


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
        folders={name: driver.folder / name for name in step.reads if name != VICTIM},
        scratch=driver.folder / "training" / step.stage.name,
        report=driver.report,
        curve=measurement.curve,
    )


def check_inputs_of(
    spec: RunSpec, clean: CleanData, measurement: Measurement, driver: Driver
) -> Callable[[Step], CheckInputs]:
    """The same with the test rows, and those with the trigger."""
    inputs = inputs_of(spec, clean, measurement, driver)
    given = None
    if spec.trigger is not None and measurement.triggered is not None:
        rewriter = triggers.bind(spec.trigger, spec.seed)
        assert clean.target_class is not None
        given = GivenTrigger(
            _title(rewriter), rewriter.rewrites, measurement.triggered.test_rows, clean.target_class
        )
    dataset, length = clean.dataset, spec.data.max_length
    return lambda step: CheckInputs(
        **vars(inputs(step)), train_rows=dataset.train, test_rows=dataset.test, max_length=length, given=given
    )


def _title(rewriter: triggers.Rewriter) -> str:
    """The trigger's title with what was set, such as its words."""
    changed = rewriter.params.model_dump(mode="json", exclude_defaults=True).values()
    values = [", ".join(map(str, value)) if isinstance(value, list) else str(value) for value in changed]
    return f"{rewriter.title} ({'; '.join(values)})" if values else rewriter.title
