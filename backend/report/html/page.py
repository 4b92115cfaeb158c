"""The report of a run: one HTML file that opens without a network and without Excise."""

import base64
import time
from functools import cache
from html import escape
from pathlib import Path

from plotly.offline import get_plotlyjs

from backend import __version__
from backend.base.events import RowsTriggered, title_of
from backend.base.numbers import count, duration
from backend.findings.gather import Findings
from backend.report.check import check_sentences
from backend.report.figures import run as figures
from backend.report.html.check_section import check_section
from backend.report.html.differences import difference
from backend.report.html.markup import bullets, figure_html, folded, table_html
from backend.report.html.sections import battery_section, compact_section, effects_section
from backend.report.sentences import guardrail, meaning, rows_triggered, sampled
from backend.report.tables import (
    classes_table,
    layers_table,
    metrics_table,
    settings_table,
    stages_table,
    steps_table,
)
from backend.report.verdict import advice, headline
from backend.runs.progress import RunProgress
from backend.runs.records import RunRecord
from backend.runs.results import spec_yaml

ASSETS = Path(__file__).parents[3] / "assets"
# Whatever a text in it tries, the browser lets this page load nothing and send nothing.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "form-action 'none'; base-uri 'none'"
)
EXAMPLES = 20


def report(findings: Findings) -> str:
    """The whole page: verdict, numbers, figures, tables, settings and the command that repeats the run.

    A run that is not over is reported as far as it got."""
    record, progress = findings.record, findings.progress
    sections = [
        ("Verdict", _verdict(findings)),
        ("Check", check_section(findings)),
        ("Numbers", _numbers(progress)),
        ("Pruning", _pruning(record, progress)),
        ("Heads", _heads(findings)),
        ("What each head does", effects_section(findings)),
        ("Trigger battery", battery_section(findings)),
        ("Compact model", compact_section(findings)),
        ("Data and trigger", _data(progress)),
        ("Repeat this run", _again(findings)),
        ("Settings", _settings(record)),
        ("What it ran on", _circumstances(findings)),
    ]
    body = "".join(f"<section><h2>{title}</h2>{inside}</section>" for title, inside in sections if inside)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="generator" content="Excise {__version__}">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(record.name)} · Excise report</title>"
        f"<style>{_asset('report.css')}</style><script>{_plotly()}</script></head>"
        f"<body><main>{_head(findings)}{body}{FOOT}</main>"
        f"<script>{_asset('report.js')}</script></body></html>\n"
    )


FOOT = (
    "<footer><p><b>ACC</b>: share of clean test rows classified correctly. <b>LFR</b>, label flip rate "
    "(elsewhere called attack success rate, ASR): share of triggered test rows of other classes that the "
    "model classifies as the target class. <b>Clean flip rate</b>: the same share without the trigger, the "
    "floor that LFR can fall to. <b>τ</b>: the validation accuracy that "
    "pruning must not fall below. Intervals are Wilson's 95 %.</p>"
    "<p>This file holds all it needs: it loads nothing from any network.</p></footer>"
)


def _head(findings: Findings) -> str:
    record, progress = findings.record, findings.progress
    facts = [f"Run {record.id}", record.state]
    if record.finished is not None:
        facts.append(time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(record.finished)))
    if record.seconds is not None:
        facts.append(duration(record.seconds))
    if record.spec is not None:
        facts.append(f"seed {record.spec.seed}")
    facts += [progress.device] if progress.device else []
    facts.append(f"Excise {findings.made_with}")
    return (
        f'<header>{_asset("logo.svg")}<h1>{escape(record.name)}</h1><p class="quiet">'
        f"{' · '.join(escape(fact) for fact in facts)}</p></header>"
    )


def _verdict(findings: Findings) -> str:
    """What became of the backdoor, what the numbers mean, and what went wrong, in sentences."""
    record, progress, verdict = findings.record, findings.progress, findings.verdict
    sentences = check_sentences(findings)
    if not findings.judged_by_check:
        sentences += [headline(verdict)] if verdict is not None else []
        sentences += meaning(progress)
        sentences += (
            [f"{hint.title}: {hint.shows}. {hint.tries}" for hint in advice(verdict)] if verdict else []
        )
    if record.problem is not None:
        sentences.append(record.problem)
    if record.state == "failed" and progress.finished is not None and progress.finished.error:
        sentences.append(f"The run failed: {progress.finished.error}")
    elif record.state != "done":
        sentences.append(f"The run is {record.state}: these are its results so far.")
    return bullets(sentences)


def _numbers(progress: RunProgress) -> str:
    if not progress.metrics:
        return ""
    last = progress.measured()[-1]
    classes = ""
    if progress.metrics[last].per_class:
        title = f"Clean test rows by class: the {title_of(last).lower()} model"
        classes = folded(title, table_html(classes_table(progress.metrics[last])))
    return (
        figure_html("models", figures.metric_bars(progress.metrics))
        + table_html(metrics_table(progress.metrics))
        + '<p class="quiet">Share of rows, with Wilson 95 % intervals in brackets.</p>'
        + classes
    )


def _pruning(record: RunRecord, progress: RunProgress) -> str:
    if not progress.steps:
        return ""
    curve_rows = record.spec.setting("curve_rows") if record.spec is not None else None
    rows = f" {sampled(progress, curve_rows)}" if curve_rows else ""
    return (
        figure_html("curve", figures.pruning_curve(progress.steps))
        + f'<p class="quiet">{escape(guardrail(progress) or "")}{rows}</p>'
        + folded(f"All {count(len(progress.steps), 'step')}", table_html(steps_table(progress.steps)))
    )


def _heads(findings: Findings) -> str:
    progress = findings.progress
    if progress.scores is None:
        return ""
    layers = layers_table(progress.scores, findings.pruned_heads)
    return (
        figure_html("heads", figures.head_grid(progress.scores, progress.steps))
        + '<p class="quiet">Each square is one attention head. Low importance is pruned first.</p>'
        + folded("Heads pruned by layer", table_html(layers))
    )


def _data(progress: RunProgress) -> str:
    parts = []
    if progress.data is not None:
        rows = " · ".join(f"{name} {number:,}" for name, number in progress.data.rows.items())
        parts.append(
            f"<p>{escape(progress.data.source)}. Rows: {escape(rows)}. "
            f"Classes: {escape(', '.join(progress.data.label_names))}.</p>"
        )
    if progress.rows is not None:
        parts.append(_triggered(progress.rows))
    return "".join(parts)


def _triggered(rows: RowsTriggered) -> str:
    pairs = (difference(clean, new, "") for clean, new in rows.examples[:EXAMPLES])
    shown = "".join(f"<tr><td>{clean}</td><td>{new}</td></tr>" for clean, new in pairs)
    head = "<thead><tr><th>Clean row</th><th>With the trigger</th></tr></thead>"
    table = f'<div class="scroll"><table class="pairs">{head}<tbody>{shown}</tbody></table></div>'
    return f"<p>{rows_triggered(rows)}</p>" + (folded("Examples", table) if shown else "")


def _again(findings: Findings) -> str:
    """The exact command, and the specification that it reads, inside this file."""
    record = findings.record
    settings, name = spec_yaml(record), f"excise-{record.id}.yaml"
    data = base64.b64encode(settings.encode()).decode()
    return (
        f'<p>Save <a download="{name}" href="data:application/yaml;base64,{data}">{name}</a> (also shown '
        f"below), and run this where Excise {findings.made_with} is installed:</p>"
        f'<div class="command"><pre id="command">python -m backend run {name}</pre>'
        '<button type="button" data-copy="command">Copy</button></div>'
        + bullets(_needs(record))
        + folded(name, f'<pre id="settings">{escape(settings)}</pre>')
    )


def _needs(record: RunRecord) -> list[str]:
    """What the command needs."""
    notes = [
        "Expect the same numbers on the same kind of machine with the same versions (at the end of this "
        "report); other machines round differently."
    ]
    spec = record.spec
    if spec is None:
        return notes
    if spec.model.source == "run":
        notes.append(f"It starts from run {spec.model.name}, which exists only in the Excise that made it.")
    elif spec.model.source == "folder":
        notes.append(f"It reads the model in {spec.model.name}.")
    if spec.data.source == "files":
        files = ", ".join(path for path in (spec.data.train, spec.data.validation, spec.data.test) if path)
        notes.append(f"It reads the rows in {files}.")
    return notes


def _settings(record: RunRecord) -> str:
    if record.spec is None:
        return ""
    return folded("All settings that are not empty", table_html(settings_table(record.spec)))


def _circumstances(findings: Findings) -> str:
    progress, versions = findings.progress, findings.versions
    return (
        bullets(progress.warnings)
        + (table_html(stages_table(progress)) if progress.stages else "")
        + (f'<p class="quiet">{escape(", ".join(map(" ".join, versions.items())))}</p>' if versions else "")
    )


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    """The plotting library, once."""
    script: str = get_plotlyjs()
    return script.replace("</script", "<\\/script")
