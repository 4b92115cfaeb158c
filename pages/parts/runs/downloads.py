"""Downloads: the report, the numbers, and the defended model in either form."""

import json
from collections.abc import Callable
from pathlib import PurePath

import streamlit as st

from backend.analysis.compact import CompactMeasurement, make_compact
from backend.base.numbers import GAP, count
from backend.findings.gather import Findings, gather
from backend.report.bundle import has_predictions, heads_json, model_zip, predictions_csv
from backend.report.html.page import report
from backend.report.model_card import SNIPPETS, Form, change, how, megabytes
from backend.runs.records import RunRecord
from backend.runs.results import metrics_csv, results, rewritings, steps_csv
from pages.parts.common.ask import ask
from pages.parts.common.ui import plain, show_errors, wide

MIME_TYPES = {
    ".html": "text/html",
    ".json": "application/json",
    ".csv": "text/csv",
    ".zip": "application/zip",
}


def downloads(findings: Findings, key: str) -> None:
    """Everything that a finished run has to download."""
    record = findings.record
    stem = f"excise-{record.id}"
    with st.container(horizontal=True):
        _download(
            "Report (HTML)",
            # Drawn when asked for, from what is known by then: it contains the plotting library.
            lambda: report(gather(findings.store, record)),
            f"{stem}.html",
            "description",
            f"{key}-report",
            "Verdict, figures, tables, settings and the command that repeats the run, in one file that "
            "opens without a network.",
            primary=True,
        )
        _download(
            "Results (JSON)",
            lambda: json.dumps(results(record, findings.events), indent=2),
            f"{stem}.json",
            "data_object",
            f"{key}-json",
        )
        _download(
            "Metrics (CSV)",
            lambda: metrics_csv(record, findings.events),
            f"{stem}-metrics.csv",
            "table",
            f"{key}-metrics",
        )
        if has_predictions(findings):
            _download(
                "Predictions (CSV)",
                lambda: predictions_csv(findings),
                f"{stem}-predictions.csv",
                "fact_check",
                f"{key}-predictions",
                "Every test row, clean and with the trigger: its label, and what each model predicts.",
            )
        if findings.progress.steps:
            _download(
                "Pruning steps (CSV)",
                lambda: steps_csv(findings.events),
                f"{stem}-steps.csv",
                "table_rows",
                f"{key}-steps",
            )
            _download(
                "Head list (JSON)",
                lambda: heads_json(findings),
                f"{stem}-heads.json",
                "grid_on",
                f"{key}-heads",
            )
    if findings.model_folder is None:
        return
    if findings.only_checks:
        with st.container(border=True):
            _received(findings, key)
    else:
        left, right = wide(2, f"models-{key}")
        with left.container(border=True, height="stretch"):
            _zeroed(findings, key)
        with right.container(border=True, height="stretch"), show_errors():
            _compact(findings, key)


def _received(findings: Findings, key: str) -> None:
    st.markdown("**Model as it was received**")
    st.caption("With a card that says what the check came to. Nothing in it was cleaned.")
    _download(
        "Model (zip)",
        lambda: model_zip(findings, "zeroed").read_bytes(),
        f"excise-{findings.run}-received.zip",
        "download",
        f"{key}-received",
    )
    _snippet("zeroed")


def _zeroed(findings: Findings, key: str) -> None:
    st.markdown("**Defended model, zeroed**")
    st.caption(
        "Plain transformers loads it anywhere. The weights of pruned heads are zero; size and speed stay "
        "the same."
    )
    _model_button(findings, "zeroed", key)
    _snippet("zeroed")


def _compact(findings: Findings, key: str) -> None:
    st.markdown("**Defended model, compact**")
    heads = findings.pruned_heads
    if not heads:
        st.caption("No head was pruned, so there is nothing to make smaller.")
        return
    st.caption(
        f"The {count(len(heads), 'pruned head')} are removed from the weights; the logits stay the same. "
        "A small loader file comes with it."
    )
    found = findings.compact
    if found is None:
        place = st.empty()
        if not place.button("Make the compact model", icon=":material/compress:", key=f"{key}-make"):
            return
        with place:
            found = ask("Making and measuring it", make_compact, findings.run, findings.spec, heads)
        place.empty()
    _gains(found)
    _model_button(findings, "compact", key)
    _snippet("compact")


def _gains(found: CompactMeasurement) -> None:
    """Size and speed compared with the whole model's."""
    size, speed = st.columns(2)
    size.metric(
        "Weights on disk",
        megabytes(found.bytes_compact),
        change(found.bytes_whole, found.bytes_compact).replace("−", "-"),
        delta_color="inverse",
        delta_description=f"vs {megabytes(found.bytes_whole)}",
    )
    speed.metric(
        "Speed",
        f"{found.speed_compact:.3g}{GAP}rows/s",
        change(found.speed_whole, found.speed_compact).replace("−", "-"),
        delta_description=f"vs {found.speed_whole:.3g}{GAP}rows/s",
    )
    st.caption(plain(how(found)))


def _model_button(findings: Findings, form: Form, key: str) -> None:
    _download(
        f"{form.capitalize()} model (zip)",
        # Zipped when asked for: most readers of a run do not want its weights.
        lambda: model_zip(findings, form).read_bytes(),
        f"excise-{findings.run}-{form}.zip",
        "download",
        f"{key}-{form}",
        "With a model card that says how it was made, and the head list.",
    )


def _snippet(form: Form) -> None:
    with st.expander("How to load it", icon=":material/code:"):
        st.code(SNIPPETS[form], language="python")


def rewritings_download(record: RunRecord, key: str) -> None:
    """Clean and triggered rows as a table that can be used as rewrite pairs."""
    path = rewritings(record.id)
    if path is not None:
        _download(
            "Rows and rewritings (CSV)",
            path.read_bytes,
            f"excise-{record.id}-rewritings.csv",
            "download",
            key,
        )


def _download(
    label: str,
    content: Callable[[], str | bytes],
    name: str,
    icon: str,
    key: str,
    about: str | None = None,
    primary: bool = False,
) -> None:
    """A button that makes its file when it is pressed, and leaves the page as it is."""
    st.download_button(
        label,
        content,
        name,
        MIME_TYPES[PurePath(name).suffix],
        icon=f":material/{icon}:",
        on_click="ignore",
        key=key,
        type="primary" if primary else "secondary",
        help=about,
    )
