"""The pieces of a run's specification as forms: model, data, trigger, training."""

from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st
from pydantic import BaseModel, ValidationError

from backend import data
from backend.attacks import triggers
from backend.attacks.poison import resolve_target
from backend.base.components import Component, explain
from backend.base.errors import UserError
from backend.data import embedded
from backend.data.rows import Dataset
from backend.library.entries import model_folders
from backend.models.catalogue import EMBEDDED, SUPPORTED
from backend.runs.records import RunRecord
from backend.spec.run import HUB_DEFAULT, DataSpec, ModelSpec, RunSpec, TrainingSpec, TriggerSpec
from pages.parts.common.file_field import file_field
from pages.parts.common.forms import component_select, extra, params_form, variant_select
from pages.parts.common.model_inside import model_inside
from pages.parts.common.ui import plain, show_errors

M = TypeVar("M", bound=BaseModel)
MODEL_SOURCES = {
    "run": "From a run",
    "embedded": "Built in",
    "hub": "Hugging Face hub",
    "folder": "Local folder",
}
HEADS = {"auto": "Automatic", "keep": "Keep its own", "fresh": "Fresh"}
DATA_SOURCES = {"embedded": "Built in", "hub": "Hugging Face hub", "files": "Your files"}


def from_library(default: RunSpec, key: str) -> tuple[RunSpec, str]:
    """`default` with the model and the data that the address names, as `hub:owner/name` or `folder:/path`."""
    for part, kind in (("model", ModelSpec), ("data", DataSpec)):
        source, _, name = st.query_params.get(part, "").partition(":")
        if not name:
            continue
        named = {"train": name} if source == "files" else {"name": name}
        value = valid(kind, {"source": source} | named, part.capitalize())
        default, key = default.model_copy(update={part: value}), f"{key}-{source}-{name}"
    return default, key


def model_form(key: str, value: ModelSpec, victims: list[RunRecord] | None = None) -> dict[str, Any]:
    """Settings of a ModelSpec.  `victims` are runs whose poisoned model can be used."""
    sources = [source for source in MODEL_SOURCES if source != "run" or victims is not None]
    source = st.segmented_control(
        "Model",
        sources,
        format_func=MODEL_SOURCES.__getitem__,
        default=value.source if value.source in sources else sources[0],
        required=True,
        key=f"{key}-source",
    )
    name = value.name if value.source == source else ""
    if source == "embedded":
        st.caption(plain(f"{EMBEDDED.title}; {EMBEDDED.licence}; downloaded once."))
        name = ""
    elif source == "hub":
        st.session_state.setdefault(f"{key}-hub", name or HUB_DEFAULT)
        name = st.text_input("Hub name", key=f"{key}-hub", help=f"{', '.join(SUPPORTED)}.")
    elif source == "folder":
        known = model_folders()
        options = known if not name or name in known else [name, *known]
        folder = st.selectbox(
            "Folder on this machine",
            options,
            options.index(name) if name else None,
            key=f"{key}-folder",
            accept_new_options=True,
            placeholder="Choose, or type a path and press Enter",
            help="With config.json, a tokenizer and weights in safetensors. Pickled weights are never read.",
        )
        name = model_inside(f"{key}-inside", folder or "")
    else:
        name = _victim(key, name, victims or [])
    head = "auto"
    if source in ("hub", "folder", "run"):
        head = st.segmented_control(
            "Classifier head",
            list(HEADS),
            format_func=HEADS.__getitem__,
            default=value.head if value.source == source else "auto",
            required=True,
            key=f"{key}-{source}-head",
            help="Automatic: a classifier whose classes fit the rows keeps its own head, and any other model "
            "gets a fresh one. Which it is, is said below.",
        )
    return {"source": source, "name": name.strip(), "head": head}


def _victim(key: str, name: str, victims: list[RunRecord]) -> str:
    if not victims:
        st.caption(
            "No run has planted a backdoor yet. Plant one on the Attack page, or choose another source."
        )
        return ""
    by_id = {record.id: record for record in victims}
    if name and name not in by_id:
        st.warning(f"Run {plain(name)} no longer has a poisoned model.", icon=":material/warning:")
    chosen = st.selectbox(
        "Run with a poisoned model",
        list(by_id),
        index=list(by_id).index(name) if name in by_id else None if name else 0,
        format_func=lambda run: f"{by_id[run].name} ({run})",
        key=f"{key}-run",
    )
    return chosen or ""


def data_form(key: str, value: DataSpec, label: str = "Clean data") -> dict[str, Any]:
    """Settings of a DataSpec."""
    source = st.segmented_control(
        label,
        list(DATA_SOURCES),
        format_func=DATA_SOURCES.__getitem__,
        default=value.source,
        required=True,
        key=f"{key}-source",
    )
    same = value.source == source
    settings: dict[str, Any] = {"source": source}
    if source == "embedded":
        settings["name"] = st.selectbox(
            "Built-in data set",
            list(embedded.DATA),
            list(embedded.DATA).index(value.name) if same and value.name in embedded.DATA else 0,
            format_func=embedded.DATA.__getitem__,
            key=f"{key}-built-in",
            help="9,170 rated snippets of film reviews; or film reviews, product reviews, editorials and "
            "tweets, to be told apart. Neither needs the hub.",
        )
    elif source == "hub":
        settings["name"] = st.text_input(
            "Data set", value.name if same else "sst2", key=f"{key}-name"
        ).strip()
    else:
        settings["train"] = file_field("File of rows", f"{key}-train", value=value.train if same else "")
        with st.expander("Use separate validation and test files", icon=":material/splitscreen:"):
            st.caption("Without them, validation and test rows are taken from the file above.")
            settings["validation"] = file_field(
                "Validation rows", f"{key}-validation", value=value.validation
            )
            settings["test"] = file_field("Test rows", f"{key}-test", value=value.test)
    title = "Columns, row counts, split, file format" if source == "files" else "Columns, row counts, split"
    with st.expander(title, icon=":material/tune:"):
        columns = ["text", "second_text", "label"] if source != "embedded" else []
        as_text = ["separator", "encoding", "header"] if source == "files" else []
        rows = ["train_rows", "validation_rows", "test_rows", "max_length", "split_seed"]
        names = [*columns, *as_text, "classes", *rows]
        settings |= params_form(DataSpec, f"{key}-{source}", value.model_dump(), names, columns=3)
    return settings


def data_summary(dataset: Dataset) -> None:
    """Row counts, classes, notes and a few rows of the data."""
    rows = {"training": dataset.train, "validation": dataset.validation, "test": dataset.test}
    counts = ", ".join(f"{len(part):,} {name}" for name, part in rows.items())
    st.caption(f"{plain(dataset.source)}: {counts} rows. Classes: {plain(', '.join(dataset.label_names))}.")
    for note in dataset.notes:
        st.caption(f":material/info: {plain(note)}")
    few_rows(dataset)


def few_rows(dataset: Dataset) -> None:
    """Some of the training rows, folded."""
    with st.expander("A few rows", icon=":material/table_rows:"):
        some = dataset.train.take(range(min(8, len(dataset.train))))
        table: dict[str, list[str]] = {"Class": [dataset.label_names[label] for label in some.labels]}
        table["Text"] = some.texts
        if some.second_texts is not None:
            table["Second text"] = some.second_texts
        st.dataframe(table, hide_index=True)


def loaded(
    settings: dict[str, Any], say: Callable[[Dataset], None] = data_summary
) -> tuple[DataSpec, Dataset] | None:
    """The data that the settings describe, which `say` tells of; None, with the reason on the page, if there
    are none."""
    if settings["source"] == "files" and not settings.get("train"):
        st.caption(
            "Upload a CSV, TSV, JSON or Parquet file with a text and a label column, or type its path."
        )
        return None
    with show_errors():
        spec = valid(DataSpec, settings, "Data")
        with st.spinner("Reading the data…", show_time=True):
            dataset = data.load(spec)
        say(dataset)
        return spec, dataset
    return None


def trigger_form(key: str, value: TriggerSpec | None, to_any_text: bool = False) -> dict[str, Any]:
    """Name and parameters of a trigger; `to_any_text`: only of one that can be applied to a text."""
    offered = {
        name: component
        for name, component in triggers.COMPONENTS.items()
        if component.ready_made is None or not to_any_text
    }
    component = component_select("Trigger", offered, f"{key}-name", value)
    return trigger_settings(component, key, value)


def trigger_settings(component: Component, key: str, value: TriggerSpec | None) -> dict[str, Any]:
    """Variant and parameters of one trigger, with its name."""
    variant = variant_select(component, f"{key}-{component.name}-variant", value)
    chosen = value.params if value and value.name == component.name else {}
    fields = component.params.model_fields
    # Let users upload files instead of typing paths.
    paths = [name for name, field in fields.items() if extra(field).get("format") == "path"]
    params: dict[str, Any] = {}
    for name in paths:
        field = fields[name]
        params[name] = file_field(
            field.title or name, f"{key}-{component.name}-{name}", field.description, chosen.get(name, "")
        )
    rest = [
        name
        for name, field in fields.items()
        if name not in paths and extra(field).get("variant") in (None, variant)
    ]
    params |= params_form(component.params, f"{key}-{component.name}", chosen, rest)
    return {"name": component.name, "variant": variant, "params": params}


def target_class(key: str, label_names: list[str], value: int | str | None) -> str:
    """The name of the class that triggered rows are to get."""
    try:
        index = resolve_target(len(label_names) - 1 if value is None else value, label_names)
    except UserError:  # a class of other data
        index = len(label_names) - 1
    return st.selectbox(
        "Target class",
        label_names,
        index,
        key=key,
        help="The class the backdoor predicts when the trigger is present.",
    )


def name_input(key: str, value: str) -> str:
    """The run's name."""
    placeholder = "Empty: named after its settings"
    return st.text_input("Name", value, max_chars=200, key=key, placeholder=placeholder).strip()


def training_form(key: str, value: TrainingSpec) -> dict[str, Any]:
    """Settings of one fine-tuning."""
    return params_form(TrainingSpec, key, value.model_dump(), columns=4)


def valid(model: type[M], settings: dict[str, Any], what: str) -> M:
    """`settings` as `model`; raises UserError naming what is wrong."""
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        raise UserError(f"{what}: {explain(error)}.") from error
