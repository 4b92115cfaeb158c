"""Sections of the report on what was measured after the run: what each head does, the trigger battery, and
the compact model.  Each is empty where that was not measured."""

from collections.abc import Sequence
from html import escape

from backend.analysis.head_effects import Effect, Effects, Measure
from backend.base.numbers import count, with_interval
from backend.findings.gather import Findings
from backend.report import battery as battery_report
from backend.report.figures.heads import effect_grid
from backend.report.html.markup import bullets, figure_html, folded, table_html
from backend.report.model_card import comparison_table, how
from backend.report.tables import Table, effects_table


def effects_section(findings: Findings) -> str:
    """ACC and LFR with one head switched off, and with one restored."""
    effects, progress = findings.effects, findings.progress
    if effects is None or progress.scores is None or not effects.gated:
        return ""
    shape, gone = (progress.scores.layers, progress.scores.heads), findings.pruned_heads
    measures: list[Measure] = ["acc"] if effects.before.lfr is None else ["lfr", "acc"]
    drawn = [
        figure_html(f"switched-off-{measure}", effect_grid(effects, shape, measure, "gated", gone))
        for measure in measures
    ]
    if effects.restored:
        figure = effect_grid(effects, shape, measures[0], "restored", gone)
        drawn.append(figure_html(f"restored-{measures[0]}", figure))
    return (
        "".join(drawn)
        + f'<p class="quiet">{escape(_measured_on(effects, measures, shape[0] * shape[1]))}</p>'
        + folded(f"All {count(len(effects.gated), 'head')}", table_html(effects_table(effects)))
    )


def _measured_on(effects: Effects, measures: Sequence[Measure], heads: int) -> str:
    def rates(effect: Effect) -> str:
        return ", ".join(
            f"{measure.upper()} {with_interval(*effects.rate(effect, measure))}" for measure in measures
        )

    rows = f"{effects.rows} clean" + (f" and {effects.triggered_rows} triggered" if "lfr" in measures else "")
    restored = (
        f" Restored in the defended model: {rates(effects.after)}." if effects.after is not None else ""
    )
    part = "" if len(effects.gated) == heads else f" {len(effects.gated)} of {heads} heads were measured."
    return (
        f"On {rows} test rows. Switched off in the fine-tuned model; with every head active: "
        f"{rates(effects.before)}.{restored}{part}"
    )


def battery_section(findings: Findings) -> str:
    """What known triggers do to the run's models."""
    battery = findings.battery
    if battery is None or not battery.probes:
        return ""
    texts = battery_report.texts(battery)
    table = Table([*texts[0]], [[*row.values()] for row in texts], texts=len(texts[0]))
    return (
        bullets(battery_report.sentences(battery))
        + f'<p class="quiet">A suspicion, not a proof. {escape(battery_report.whose(battery))}</p>'
        + figure_html("battery", battery_report.figure(battery))
        + f'<p class="quiet">{escape(battery_report.explained())}</p>'
        + folded(f"All {count(len(texts), 'trigger')} on {count(battery.rows, 'row')}", table_html(table))
        + bullets(battery.notes)
    )


def compact_section(findings: Findings) -> str:
    measurement = findings.compact
    return (
        table_html(comparison_table(measurement)) + f'<p class="quiet">{escape(how(measurement))}</p>'
        if measurement
        else ""
    )
