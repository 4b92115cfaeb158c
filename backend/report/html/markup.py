"""Tables, figures and lists as HTML for the report; every text is escaped."""

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from backend.report.tables import Table


def table_html(table: Table) -> str:
    kinds = ["text" if i < table.texts else "number" for i in range(len(table.head))]

    def row(tag: str, cells: Sequence[str]) -> str:
        inside = (
            f'<{tag} class="{kind}">{escape(cell)}</{tag}>' for kind, cell in zip(kinds, cells, strict=True)
        )
        return f"<tr>{''.join(inside)}</tr>"

    head, body = row("th", table.head), "".join(row("td", cells) for cells in table.rows)
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def figure_html(name: str, figure: go.Figure) -> str:
    """A figure as data; `report.js` draws it in the colours of light, dark or paper."""
    bare = go.Figure(figure).update_layout(template="none")
    bare.update_xaxes(automargin=True).update_yaxes(automargin=True)
    # "<" must not end the script, whatever a label says.
    data = bare.to_json().replace("<", "\\u003c")
    label, height = escape(figure.layout.title.text), figure.layout.height
    return (
        f'<div class="figure" id="{name}" role="figure" aria-label="{label}" style="min-height:{height}px">'
        f'<script type="application/json">{data}</script></div>'
    )


def folded(title: str, inside: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{inside}</details>"


def bullets(sentences: Sequence[str]) -> str:
    return (
        f"<ul>{''.join(f'<li>{escape(sentence)}</li>' for sentence in sentences)}</ul>" if sentences else ""
    )
