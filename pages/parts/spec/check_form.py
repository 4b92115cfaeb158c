"""What the form of a check says of a model and rows before the start."""

from typing import Any

import streamlit as st
from pydantic import ValidationError

from backend.data.embedded import NAMES
from backend.data.rows import Dataset
from backend.detection.expected_time import expected_seconds
from backend.library.fetch import add_upload
from backend.models.catalogue import base_model
from backend.models.facts import BERT_BASE, MINILM, ModelFacts, facts_of
from backend.spec.run import CheckSpec, ModelSpec, RunSpec
from pages.parts.common.ui import plain, show_errors


def model_reading(settings: dict[str, Any]) -> None:
    """Says how the model is read, where it is at hand."""
    facts = _facts(settings)
    if facts is not None:
        shape = f"{facts.architecture}, {facts.layers} layers × {facts.heads} heads"
        head = f"classes: {', '.join(facts.class_names)}" if facts.class_names else "no classifier head"
        st.caption(f"**Model**: {plain(f'{shape}; {head}.')}")


def rows_reading(dataset: Dataset) -> None:
    """How many rows there are, of which classes, and how the file was read."""
    rows = {"training": dataset.train, "validation": dataset.validation, "test": dataset.test}
    counts = ", ".join(f"{len(part):,} {name}" for name, part in rows.items())
    st.caption(
        f"**Rows**: {plain(dataset.source)}: {counts}; classes: {plain(', '.join(dataset.label_names))}. "
        f"{plain(' '.join(dataset.notes))}"
    )


def _facts(settings: dict[str, Any]) -> ModelFacts | None:
    try:
        return facts_of(ModelSpec.model_validate(settings))
    except ValidationError:  # none is named yet
        return None


def upload_model(key: str) -> None:
    """A model that lies elsewhere: its folder as a .zip, which the library keeps."""
    with st.popover("Upload a model (.zip)", icon=":material/upload:"):
        given = st.file_uploader(
            "A .zip of a model folder",
            ["zip"],
            key=key,
            help="Only the config, tokenizer and .safetensors files are unpacked. The library keeps them.",
        )
        if given is not None and st.button("Use it", icon=":material/check:", key=f"{key}-use"):
            with show_errors(), st.spinner("Reading and hashing…", show_time=True):
                st.query_params["model"] = f"folder:{add_upload(given.name, given.getvalue()).name}"
                st.rerun()


def own_rows_or_built_in(settings: dict[str, Any], model: dict[str, Any]) -> None:
    """Offers the built-in rows to who has none, where the model's classes fit; says whose rows they are."""
    if settings["source"] == "embedded":
        st.caption(
            ":material/info: These rows are not yours: the verdict holds for your texts as far as they are "
            "like these."
        )
    elif settings["source"] == "files" and not settings["train"] and _fits_reviews(_facts(model)):
        st.caption(
            ":material/info: No rows of your own? Choose “Built in”: film reviews, negative or positive. "
            "They fit this model's classes."
        )


def _fits_reviews(facts: ModelFacts | None) -> bool:
    names = [name.casefold().strip() for name in facts.class_names] if facts is not None else []
    return sorted(names) == sorted(NAMES) or names == ["label_0", "label_1"]


def _facts_or_usual(model: ModelSpec) -> ModelFacts:
    return facts_of(model) or (BERT_BASE if model.source == "hub" else MINILM)


def expected_time(spec: RunSpec, dataset: Dataset | None) -> str:
    """About how long the check takes, in words."""
    facts = _facts_or_usual(spec.model)
    rows, classes = (0, 2) if dataset is None else (len(dataset.train), len(dataset.label_names))
    check = spec.check or CheckSpec()
    base = _facts_or_usual(base_model(check.base))
    seconds = expected_seconds(
        check, facts.layer_parameters, facts.vocabulary, rows, classes, base.layer_parameters
    )
    minutes = round(seconds / 60)
    if seconds < 45:
        took = "less than a minute"
    elif minutes <= 1:
        took = "about a minute"
    else:
        took = f"about {minutes} minutes" if minutes < 90 else f"about {round(minutes / 60)} hours"
    return f"{took[:1].upper()}{took[1:]} on this machine."
