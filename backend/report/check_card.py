"""The card of a model that was checked and is exported as it was received: what the check came to."""

from backend.base.numbers import with_interval
from backend.findings.gather import Findings
from backend.report.check import as_texts, check_sentences, tried
from backend.report.model_card import (
    SNIPPETS,
    data_rows,
    front_matter,
    markdown,
    one_line,
    origin,
    trigger_text,
)
from backend.report.tables import Table

WARNING = (
    "Nothing was cleaned and no weight was changed: whatever is hidden in the model as it was received is in "
    "this copy, too."
)


def check_card(findings: Findings) -> str:
    """The README.md of a checked model."""
    record = findings.record
    parts = [
        front_matter(record),
        f"# {one_line(record.name)}: the model as it was received",
        f"A text classifier that was checked for backdoors with Excise {findings.made_with} "
        f"(run {record.id}). {WARNING}",
    ]
    if sentences := check_sentences(findings):
        parts.append("## Verdict\n\n" + one_line(" ".join(sentences)))
    parts += [
        f"## Load it\n\nIn this folder:\n\n```python\n{SNIPPETS['zeroed']}\n```",
        "## What was checked\n\n" + markdown(_facts(findings)),
        "## What was tried\n\n" + _tried(findings),
        "## Files\n\nAll settings are in `spec.yaml` of the run's export; `python -m backend run spec.yaml` "
        "repeats the check.",
    ]
    return "\n\n".join(parts) + "\n"


def _facts(findings: Findings) -> Table:
    spec, received, verdict = findings.spec, findings.received or {}, findings.check
    rows = []
    if spec is not None:
        rows.append(["Model", origin(spec.model)])
        rows += (
            [["Suspected trigger", trigger_text(spec, findings.progress)]] if spec.trigger is not None else []
        )
    rows += data_rows(findings.progress)
    rows.append(["Architecture", str(received.get("architecture"))])
    rows.append(["Layers × heads", f"{received.get('layers')} × {received.get('heads')}"])
    if received.get("sha256"):
        rows.append(["SHA-256 of the weights", str(received["sha256"])])
    if verdict is not None and verdict.metrics is not None:
        rows.append(["ACC", with_interval(verdict.metrics.acc, verdict.metrics.acc_interval)])
    return Table(["", ""], rows, texts=2)


def _tried(findings: Findings) -> str:
    tables = as_texts(findings.check) if findings.check is not None else []
    sentences = "\n".join(f"- {one_line(sentence)}" for sentence in tried(findings.progress))
    return "\n\n".join([*map(markdown, tables), sentences])
