"""The results of the trigger battery, in sentences, a table and a figure: suspicions, never proofs."""

import html
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from backend.analysis.battery import Battery, Role
from backend.base import events
from backend.base.numbers import interval, percent
from backend.detection.known_triggers import LEFT_OUT, PROBES, Flips
from backend.findings import battery as rules
from backend.findings.battery import Finding
from backend.report.figures.run import ACC, FLOOR, LFR, finish
from backend.report.sentences import finding_sentence

LOOKS: dict[Role, tuple[str, str]] = {
    "before": (LFR, "square"),
    "after": (ACC, "circle"),
    "honest": (FLOOR, "diamond-open"),
}
"""Colour and marker of each model."""
MOST_NAMED = 3


def title_of(battery: Battery, role: Role) -> str:
    """A model as the tables call it."""
    if role == "honest":
        return "Never poisoned"
    return events.title_of(battery.places[role][1])


def sentences(battery: Battery) -> list[str]:
    """A sentence on each of the run's models."""
    roles = [role for role in LOOKS if role in battery.places and role != "honest"]
    return (
        [_sentence(battery, role, rules.findings(battery, role)) for role in roles] if battery.probes else []
    )


def _sentence(battery: Battery, role: Role, results: Sequence[Finding]) -> str:
    model = f"{title_of(battery, role)} model"
    if not any(role in measured for measured in battery.probes.values()):
        return f"{model}: not judged, since it has different classes from the data."
    if not results:
        return (
            f"{model}: not judged, since it classifies fewer than {rules.FEWEST} rows of any class correctly."
        )
    suspects = [one for one in results if one.suspicious]
    if suspects:
        more = len(suspects) - MOST_NAMED
        named = "; ".join(finding_sentence(one) for one in suspects[:MOST_NAMED])
        return f"{model}: {named}{f'; and {more} more' if more > 0 else ''}."
    if results[0].clean is None:
        return f"{model}: {finding_sentence(results[0])}, the most of all."
    return (
        f"{model}: no trigger of the battery flips clearly more rows than in a clean model. The most: "
        f"{finding_sentence(results[0])}."
    )


def whose(battery: Battery) -> str:
    """Where the clean model's numbers come from."""
    if rules.has_own_clean_model(battery):
        return f"Clean model: run {battery.places['honest'][0]}, never poisoned, on the same rows."
    benchmark = rules.clean_models()
    if benchmark is None:
        return "There is no clean model to compare with."
    return (
        f"Clean models: {benchmark.about}. Another model or other data may differ: train a never-poisoned "
        "reference of this run to be surer."
    )


def explained() -> str:
    """What the numbers in the table and the figure mean."""
    return (
        "Of test rows that the model classifies correctly without the trigger, the share that it assigns to "
        "another class with it: the class that most are flipped to, with its 95 % interval. Suspicious: "
        f"clearly above the clean model's share, by more than {100 * rules.MARGIN:.0f} points. {LEFT_OUT}"
    )


def table(battery: Battery) -> list[dict[str, Any]]:
    """A row for each trigger: rows flipped in percent by model with the 95 % interval and the class they are
    flipped to, and whether any model's flips are suspicious."""
    rows = []
    for probe in battery.probes:
        row: dict[str, Any] = {"Trigger": PROBES[probe][0]}
        for role in _shown(battery):
            flips, label = _flips(battery, probe, role)
            row[title_of(battery, role)] = None if flips is None else 100 * flips.share
            row[f"{title_of(battery, role)}: 95 %"] = "" if flips is None else interval(flips.interval)
            if role != "honest":
                row[f"{title_of(battery, role)}: class"] = label
        suspects = [
            result
            for role in battery.places
            if (result := rules.finding(battery, probe, role)) and result.suspicious
        ]
        row["Suspicious"] = "yes" if suspects else ""
        rows.append(row)
    return rows


def texts(battery: Battery) -> list[dict[str, str]]:
    """The same as text, a column for each model."""
    rows = []
    for row in table(battery):
        shown = {"Trigger": row["Trigger"]}
        for role in _shown(battery):
            name = title_of(battery, role)
            share, bounds, label = row[name], row[f"{name}: 95 %"], row.get(f"{name}: class", "")
            shown[name] = "–" if share is None else f"{percent(share / 100)} ({bounds}) {label}".strip()
        rows.append(shown | {"Suspicious": row["Suspicious"]})
    return rows


def figure(battery: Battery) -> go.Figure:
    """The flip rate of each trigger and model with its 95 % interval, what flips most at the top."""
    drawn = go.Figure()
    first = next(iter(_shown(battery)))
    order = [result.probe for result in rules.findings(battery, first)] or list(battery.probes)
    for role in _shown(battery):
        points = [(probe, *_flips(battery, probe, role)) for probe in order]
        measured = [(PROBES[probe][0], flips, label) for probe, flips, label in points if flips is not None]
        _add_points(drawn, title_of(battery, role), *LOOKS[role], measured)
    drawn.update_xaxes(title="Rows flipped (%)", range=[-3, 104], ticksuffix=" %", dtick=20)
    drawn.update_yaxes(autorange="reversed")
    return finish(drawn, "Rows that each known trigger flips", 170 + 32 * len(order))


def _add_points(
    drawn: go.Figure, name: str, colour: str, symbol: str, points: Sequence[tuple[str, Flips, str]]
) -> None:
    drawn.add_scatter(
        y=[html.escape(title) for title, _, _ in points],
        x=[100 * flips.share for _, flips, _ in points],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [100 * (flips.interval[1] - flips.share) for _, flips, _ in points],
            "arrayminus": [100 * (flips.share - flips.interval[0]) for _, flips, _ in points],
            "thickness": 1.5,
            "width": 4,
        },
        mode="markers",
        name=name,
        marker={"color": colour, "symbol": symbol, "size": 10},
        customdata=[
            [
                percent(flips.share),
                interval(flips.interval),
                f", to {html.escape(label)}" if label else "",
            ]
            for _, flips, label in points
        ],
        hovertemplate=(
            f"{name}: %{{customdata[0]}} of rows%{{customdata[2]}}<br>95 % interval %{{customdata[1]}}"
            "<extra></extra>"
        ),
    )


def _shown(battery: Battery) -> list[Role]:
    """The models of a battery, and the benchmark's clean ones where it has none of its own."""
    return [role for role in LOOKS if role in battery.places or (role == "honest" and rules.clean_models())]


def _flips(battery: Battery, probe: str, role: Role) -> tuple[Flips | None, str]:
    """What is shown of one trigger and model, and the class that rows are flipped to."""
    benchmark = rules.clean_models()
    if role == "honest" and role not in battery.places and benchmark is not None:
        return benchmark.probes.get(probe), ""
    result = rules.finding(battery, probe, role)
    return (None, "") if result is None else (result.flips, result.label)
