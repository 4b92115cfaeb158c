"""What a check found, for the report: the verdict in sentences, and all that was tried."""

from html import escape

from backend.base.events import LayersCompared
from backend.findings.check import CheckVerdict
from backend.findings.gather import Findings
from backend.report.check import as_texts, layers_sentence, tried
from backend.report.figures.check import layers_compared, strongest_tokens
from backend.report.html.differences import difference
from backend.report.html.markup import bullets, figure_html, folded, table_html


def check_section(findings: Findings) -> str:
    """Sentences that the strongest trigger flips, a table of all that was tried, and what that leaves out."""
    verdict, scan = findings.check, findings.progress.scan
    if verdict is None:
        return ""
    tokens = figure_html("tokens", strongest_tokens(scan)) if scan is not None and scan.strongest else ""
    return (
        _flipped(verdict)
        + "".join(map(table_html, as_texts(verdict)))
        + bullets(tried(findings.progress))
        + (folded("Tokens that move the model most", tokens) if tokens else "")
        + _layers(verdict.comparison)
    )


def _layers(comparison: LayersCompared | None) -> str:
    if comparison is None:
        return ""
    sentence = f"<p>{escape(layers_sentence(comparison))}</p>"
    if not comparison.comes_from:
        return sentence
    figure = figure_html("layers", layers_compared(comparison))
    return folded("Compared with the model that it comes from, layer by layer", sentence + figure)


def _flipped(verdict: CheckVerdict) -> str:
    if verdict.shown_by is None:
        return ""
    body = ""
    for example in verdict.shown_by.examples:
        clean, triggered = difference(example.text, example.triggered, "")
        flip = escape(f"{example.predicted} → {example.predicted_triggered}")
        body += f"<tr><td>{flip}</td><td>{clean}</td><td>{triggered}</td></tr>"
    head = "<thead><tr><th>Prediction</th><th>Clean row</th><th>With the trigger</th></tr></thead>"
    return f'<div class="scroll"><table class="pairs">{head}<tbody>{body}</tbody></table></div>'
