"""Which study to start: a built-in one, one built on the page, or one from YAML."""

import hashlib
from typing import Any

import streamlit as st
import yaml
from streamlit.runtime.uploaded_file_manager import UploadedFile

from backend.base.errors import UserError
from backend.studies.built_in import STUDIES, built_in
from backend.studies.spec import StudySpec, read_study
from pages.parts.common.ui import plain
from pages.parts.studies.form import study_form

SOURCES = {"built-in": "Built in", "form": "Build your own", "yaml": "From YAML"}


def choose() -> StudySpec | None:
    """The study that is asked for; None until there is one.  Raises UserError for one that is not valid."""
    source = st.segmented_control(
        "Study",
        list(SOURCES),
        format_func=SOURCES.__getitem__,
        default="built-in",
        required=True,
        key="study-source",
        label_visibility="collapsed",
    )
    if source == "yaml":
        return _brought()
    if source == "form":
        settings = study_form()
        return None if settings is None else _editable(settings)
    return _built_in()


def _built_in() -> StudySpec:
    name = st.selectbox(
        "Study", list(STUDIES), format_func=lambda one: one[:1].upper() + one[1:], key="study-name"
    )
    st.caption(plain(STUDIES[name].question))
    quick = st.toggle(
        "Quick form",
        True,
        key="study-quick",
        help="A smaller grid on fewer rows, one seed: under 15 minutes on two cores. It gives a first "
        "impression and proves nothing.",
    )
    return _editable(built_in(name, quick).model_dump(mode="json"))


def _editable(settings: dict[str, Any]) -> StudySpec:
    """The study as YAML, to see, edit and download.  Raises UserError once it is not valid."""
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=100)
    key = f"study-yaml-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    with st.expander("As YAML: view, edit, download", icon=":material/code:"):
        edited = st.text_area("The study as YAML", text, height=320, key=key, label_visibility="collapsed")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.download_button(
                "Download YAML", edited, "study.yaml", icon=":material/download:", on_click="ignore"
            )
            if edited != text:
                st.caption("You edited the YAML. Changing a choice above discards your edits.")
    return read_study(edited, "The study")


def _brought() -> StudySpec | None:
    st.caption(
        "A mapping with `name`, `base` (settings that all runs share), `victims`, `defenses` and `seeds`. "
        "The other two options show their YAML, as a starting point."
    )
    brought = st.file_uploader("YAML file", ["yaml", "yml", "json"], key="study-file")
    start = _text_of(brought) if brought else ""
    text = st.text_area(
        "Study",
        start,
        height=260,
        key=f"study-text-{brought.file_id if brought else ''}",
        placeholder="name: …",
    )
    return read_study(text, "The study") if text.strip() else None


def _text_of(brought: UploadedFile) -> str:
    try:
        return brought.getvalue().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{brought.name} is not UTF-8 text ({error.reason}). Save it as UTF-8.") from error
