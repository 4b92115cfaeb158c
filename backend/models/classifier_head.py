"""Whether a model keeps its own classifier head or gets a fresh one.  No torch here: checks use it too."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from backend.base.errors import UserError
from backend.data.labels import align
from backend.data.rows import Dataset
from backend.models.places import stored_at, weights_folder
from backend.models.received import ReceivedModel, read_model
from backend.spec.run import ModelSpec


@dataclass(frozen=True)
class HeadChoice:
    """The model with `head` decided (`keep` or `fresh`), the data with their classes numbered as in the model
    where it keeps its head, and sentences on what was decided."""

    model: ModelSpec
    dataset: Dataset
    notes: list[str]


def received(model: ModelSpec) -> ReceivedModel | None:
    """What is known of the model's files, those of the hub being fetched; None for a model without weights
    of its own, and for the embedded one, which is an encoder.  Raises UserError."""
    if model.source == "embedded" or model.random_weights:
        return None
    return read_model(weights_folder(model), model.name)


def settled_head(model: ModelSpec) -> ModelSpec:
    """The model with a fresh head where `auto` means nothing else, whatever the data are: it is known to have
    none of its own.  Nothing is fetched."""
    if model.head != "auto":
        return model
    if model.source == "embedded" or model.random_weights:
        return _with(model, "fresh")
    with suppress(UserError):
        stored = stored_at(model)
        if stored is not None and not read_model(stored).has_head:
            return _with(model, "fresh")
    return model


def choose_head(model: ModelSpec, dataset: Dataset, as_it_is: bool = False) -> HeadChoice:
    """The decision for a run of `model` on `dataset`.  Raises UserError if the head cannot be kept where it
    is to be kept, or the model cannot be used.  `as_it_is`: a whole classifier keeps its head or is refused
    (a check must not judge another head than the one that was received)."""
    if model.head != "fresh":
        return head_for(model, received(model), dataset, as_it_is)
    known = None
    with suppress(UserError):  # a run may have what it needs of the model already
        known = received(model)
    return head_for(model, known, dataset)


def head_for(
    model: ModelSpec, known: ReceivedModel | None, dataset: Dataset, as_it_is: bool = False
) -> HeadChoice:
    """As `choose_head`, of a model that was looked at before."""
    if model.random_weights:
        return HeadChoice(_with(model, "fresh") if model.head == "auto" else model, dataset, [])
    if model.head == "keep":
        return _kept(model, known, dataset)
    if model.head == "fresh" or known is None:
        return _fresh(model, known, dataset, [])
    known.require_usable_head(model.name)
    if not known.class_names:
        note = "The model is an encoder without a classifier head: one is drawn from the seed."
        return _fresh(model, known, dataset, [note])
    try:
        return _kept(model, known, dataset)
    except UserError:
        if as_it_is:
            raise
        note = (
            "The model's own classifier head is not kept, and a new one is drawn from the seed: its classes "
            f"are {', '.join(known.class_names)}, those of the data {', '.join(dataset.label_names)}."
        )
        return _fresh(model, known, dataset, [note])


def _kept(model: ModelSpec, known: ReceivedModel | None, dataset: Dataset) -> HeadChoice:
    if known is not None:
        known.require_usable_head(model.name)
    if known is None or not known.class_names:
        raise UserError("The model has no classifier head to keep. Choose a fresh head.")
    aligned, note = align(dataset, known.class_names)
    notes = [f"The model keeps its own classifier head ({', '.join(known.class_names)})."]
    return HeadChoice(_with(model, "keep"), aligned, [*known.notes, *notes, *([note] if note else [])])


def _fresh(model: ModelSpec, known: ReceivedModel | None, dataset: Dataset, notes: list[str]) -> HeadChoice:
    if known is None:
        return HeadChoice(_with(model, "fresh"), dataset, notes)
    if not notes and known.class_names:
        notes = _set_aside(known.class_names, dataset)
    return HeadChoice(_with(model, "fresh"), dataset, [*known.notes, *notes])


def _set_aside(class_names: list[str], dataset: Dataset) -> list[str]:
    """What is said of a whole head that is only measured, as it was received."""
    notes = [
        f"The model's own classifier head ({', '.join(class_names)}) is not used: a new one is drawn "
        "from the seed, as the setting head: fresh asks."
    ]
    with suppress(UserError):  # a head of other classes is not measured
        aligned, note = align(dataset, class_names)
        if note and (aligned.data_names or aligned.label_names) == dataset.label_names:
            notes.append(note)
    return notes


def _with(model: ModelSpec, head: Literal["fresh", "keep"]) -> ModelSpec:
    return model.model_copy(update={"head": head})
