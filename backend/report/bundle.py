"""A run as files: a folder with everything, or a zip of the defended model."""

import json
import shutil
import tempfile
import zipfile
from pathlib import Path

from backend.analysis.compact import RECORD, compact_folder, make_compact
from backend.base.errors import UserError
from backend.base.paths import run_folder
from backend.evaluation import predictions
from backend.findings.gather import Findings
from backend.report.check_card import check_card
from backend.report.html.page import report
from backend.report.model_card import Form, model_card
from backend.runs.results import metrics_csv, results, room_for, spec_yaml, steps_csv, write_predictions

OF_THE_RUN = shutil.ignore_patterns(RECORD, *predictions.OWN_FILES)
"""What a stage leaves beside its model for the run's own use."""


def heads_json(findings: Findings) -> str:
    """The head list as a file."""
    return json.dumps(findings.head_list, indent=1) + "\n"


def has_predictions(findings: Findings) -> bool:
    """Whether any of its models left a table of predictions: those of earlier versions did not."""
    return any(
        (run_folder(findings.run) / name / predictions.TABLE).is_file() for name in findings.models_left
    )


def predictions_csv(findings: Findings) -> bytes:
    """The predictions of all of its models as a file; empty where there are none."""
    with tempfile.TemporaryDirectory() as scratch:
        table = Path(scratch) / predictions.TABLE
        return table.read_bytes() if write_predictions(findings.run, findings.models_left, table) else b""


def model_zip(findings: Findings, form: Form) -> Path:
    """The defended model zipped with its card and head list, built once.

    Raises UserError if there is no such model (make a compact one first), or the disk is full."""
    source = _source(findings, form)
    target = run_folder(findings.run) / f"{form}.zip"
    if target.is_file():
        return target
    with room_for(target), tempfile.TemporaryDirectory(prefix=f".{form}-", dir=target.parent) as scratch:
        part = Path(scratch) / target.name
        with zipfile.ZipFile(part, "w") as archive:
            for path in sorted(source.iterdir()):
                if path.is_file() and path.name not in OF_THE_RUN(str(source), [path.name]):
                    # Weights do not shrink: packing them would only cost time.
                    packed = zipfile.ZIP_STORED if path.suffix == ".safetensors" else zipfile.ZIP_DEFLATED
                    archive.write(path, path.name, packed)
            for name, text in _texts_beside(findings, form).items():
                archive.writestr(name, text, zipfile.ZIP_DEFLATED)
        part.replace(target)
    return target


def export(findings: Findings, folder: Path, form: Form = "zeroed") -> Path:
    """Write report.html, results.json, steps.csv, metrics.csv, heads.json, spec.yaml, and what there is of
    predictions, rewritings and model; a compact model is made if it is not there yet (loads torch).

    Returns the folder.  Raises UserError, before anything is written there, if it is not empty."""
    record, events = findings.record, findings.events
    folder = folder.expanduser().absolute()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"{folder} exists and is not an empty folder. Name a new or an empty one.")
    if form == "compact":
        make_compact(record.id, record.spec, findings.pruned_heads)
    texts = {
        "report.html": report(findings),
        "results.json": json.dumps(results(record, events), indent=2) + "\n",
        "steps.csv": steps_csv(events),
        "metrics.csv": metrics_csv(record, events),
        "heads.json": heads_json(findings),
        "spec.yaml": spec_yaml(record),
    }
    with room_for(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            part.chmod(0o755)
            for name, text in texts.items():
                (part / name).write_text(text, encoding="utf-8")
            write_predictions(record.id, findings.models_left, part / predictions.TABLE)
            rows = findings.rewritings
            if rows is not None:
                shutil.copyfile(rows, part / rows.name)
            if findings.model_folder is not None:
                shutil.copytree(_source(findings, form), part / "model", ignore=OF_THE_RUN)
                for name, text in _texts_beside(findings, form).items():
                    (part / "model" / name).write_text(text, encoding="utf-8")
            part.replace(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def _source(findings: Findings, form: Form) -> Path:
    """The folder with the weights.  Raises UserError if there is none."""
    run, folder = findings.run, findings.model_folder
    if folder is None:
        raise UserError(f"Run {run} has no defended model. Only runs whose defense finished have one.")
    if form == "zeroed":
        return folder
    if findings.compact is None:
        raise UserError(f"Run {run} has no compact model yet. Make it first.")
    return compact_folder(run)


def _texts_beside(findings: Findings, form: Form) -> dict[str, str]:
    """The text files that go with the weights, by name."""
    if findings.only_checks:
        return {"README.md": check_card(findings)}
    return {"README.md": model_card(findings, form), "heads.json": heads_json(findings)}
