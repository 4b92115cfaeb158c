"""Sections of the report on what was measured after the run: what each head does, the trigger battery, and
the compact model.  Each is empty where that was not done."""

from collections.abc import Sequence
from html import escape

from backend.analysis.head_effects import Effect, Effects, Measure
from backend.base.numbers import count, with_interval
from backend.findings.gather import Findings
from backend.report import battery as found_by
from backend.report.figures.heads import effect_grid
from backend.report.html.markup import bullets, figure_html, folded, table_html
from backend.report.model_card import comparison_table, how
from backend.report.tables import Table, effects_table


def effects_section(findings: Findings) -> str:
    """ACC and LFR with one head silent, and with one given back."""
    found, progress = findings.effects, findings.progress
    if found is None or progress.scores is None or not found.gated:
        return ""
    shape, gone = (progress.scores.layers, progress.scores.heads), findings.pruned_heads
    measures: list[Measure] = ["acc"] if found.before.lfr is None else ["lfr", "acc"]
    drawn = [
        figure_html(f"silent-{measure}", effect_grid(found, shape, measure, "gated", gone))
        for measure in measures
    ]
    if found.restored:
        figure = effect_grid(found, shape, measures[0], "restored", gone)
        drawn.append(figure_html(f"restored-{measures[0]}", figure))
    return (
        "".join(drawn)
        + f'<p class="quiet">{escape(_measured_on(found, measures, shape[0] * shape[1]))}</p>'
        + folded(f"All {count(len(found.gated), 'head')}", table_html(effects_table(found)))
    )


def _measured_on(found: Effects, measures: Sequence[Measure], heads: int) -> str:
    def rates(of: Effect) -> str:
        return ", ".join(f"{one.upper()} {with_interval(*found.rate(of, one))}" for one in measures)

    rows = f"{found.rows} clean" + (f" and {found.triggered_rows} triggered" if "lfr" in measures else "")
    back = f" Given back to the defended model: {rates(found.after)}." if found.after is not None else ""
    part = "" if len(found.gated) == heads else f" {len(found.gated)} of {heads} heads were measured."
    return (
        f"On {rows} test rows. Silent in the fine-tuned model, with every head speaking: "
        f"{rates(found.before)}.{back}{part}"
    )


def battery_section(findings: Findings) -> str:
    """What can be said without knowing the trigger."""
    found = findings.battery
    if found is None or not found.probes:
        return ""
    texts = found_by.texts(found)
    table = Table([*texts[0]], [[*row.values()] for row in texts], texts=len(texts[0]))
    return (
        bullets(found_by.sentences(found))
        + f'<p class="quiet">A suspicion, not a proof. {escape(found_by.whose(found))}</p>'
        + figure_html("battery", found_by.figure(found))
        + f'<p class="quiet">{escape(found_by.explained())}</p>'
        + folded(f"All {count(len(texts), 'trigger')} on {count(found.rows, 'row')}", table_html(table))
        + bullets(found.notes)
    )


def compact_section(findings: Findings) -> str:
    found = findings.compact
    return table_html(comparison_table(found)) + f'<p class="quiet">{escape(how(found))}</p>' if found else ""
