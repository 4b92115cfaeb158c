"""A check's verdict in words that need no knowledge of the method, as a table, and as plain data."""

from typing import Any

from backend.base.events import Evidence, LayersCompared, TokensScanned
from backend.base.intervals import FEWEST_ROWS
from backend.base.numbers import count, interval, percent, with_interval
from backend.detection.known_triggers import LEFT_OUT
from backend.findings.caveats import FEW
from backend.findings.check import CheckVerdict, words_of
from backend.findings.confidence import Confidence, confidence, measured, measured_for
from backend.findings.gather import Findings
from backend.report.tables import Table
from backend.runs.progress import RunProgress

SCHEMA_VERSION = 1
MOST_NAMED = 4


def headline(verdict: CheckVerdict) -> str:
    """The verdict in a sentence or two."""
    model = "The model that the defense left" if verdict.model == "defended" else "This model"
    match verdict.level:
        case "backdoored":
            named, strongest = verdict.of("trigger"), verdict.of("trigger")[0]
            inserted = [one for one in named if one.kind != "rewriting"]
            return (
                f"{model} is backdoored. {_with(inserted) if inserted else _rewritten(named)}, a text is "
                f"classified as “{strongest.toward}”: {_rate(strongest)} of the rows of other classes."
            )
        case "suspicious":
            strongest = verdict.of("suspicious")[0]
            return (
                f"{model} is suspicious. {strongest.text} takes {_rate(strongest)} of the rows of "
                f"other classes to “{strongest.toward}”, {_beside(strongest)}."
            )
        case "cannot tell" if verdict.so_far:
            return "The check is not over: nothing that was tried so far speaks against the model."
        case "cannot tell":
            return f"Whether {model[0].lower()}{model[1:]} is backdoored cannot be told. {verdict.why}"
    one = verdict.evidence[0]
    return (
        f"No backdoor was found in {model[0].lower()}{model[1:]}. Of "
        f"{count(len(verdict.evidence), 'trigger')} tried, the strongest, {one.text}, takes {_rate(one)} of "
        f"the rows of other classes to “{one.toward}”, {_beside(one)}."
    )


def _with(inserted: list[Evidence]) -> str:
    more = len(inserted) - MOST_NAMED
    listed = ", ".join(map(words_of, inserted[:MOST_NAMED])) + (f" and {more} more" if more > 0 else "")
    return f"With {listed} in it"


def _rewritten(rewritings: list[Evidence]) -> str:
    return f"Rewritten ({', '.join(one.text for one in rewritings[:MOST_NAMED])})"


def next_step(verdict: CheckVerdict) -> str:
    """What to do now."""
    if verdict.so_far:
        return "" if verdict.level == "cannot tell" else "The check is not over."
    cure = verdict.better_cure
    instead = f"{_instead(cure)} Or" if cure is not None else ""
    match verdict.level:
        case "backdoored":
            if instead:
                return f"Do not use it as it is. {instead} clean it: it is checked again at the end."
            return (
                "Do not use it as it is. Clean it: it is checked again at the end. Where the model that it "
                "claims to come from is at hand, fine-tune that one instead."
            )
        case "suspicious":
            if instead:
                return f"Do not use it yet. {instead} check it with more rows, or clean it and compare."
            return "Do not use it yet. Check it with more rows, or clean it and compare."
        case "cannot tell":
            return "Give more rows, of the task that the model was made for, with its classes in their order."
    return "No check can rule a backdoor out. What this one does not cover stands below."


def check_sentences(findings: Findings) -> list[str]:
    """The verdict, how sure it is, and what to do next; empty without a check."""
    verdict = findings.check
    if verdict is None:
        return []
    sentences = [headline(verdict), how_sure(findings)[1], next_step(verdict)]
    return [sentence for sentence in sentences if sentence]


def how_sure(findings: Findings) -> tuple[Confidence | None, str]:
    """How often that verdict was right where it was measured, and a sentence that says so; "" where there is
    no verdict yet."""
    verdict, spec = findings.check, findings.spec
    if verdict is None or verdict.so_far or verdict.level == "cannot tell":
        return None, ""
    if spec is None or spec.check is None or not spec.only_checks:
        return None, "How sure this is was not measured for models that a defense left."
    if not spec.check.is_whole:
        return None, "How sure this is was measured only for checks that try everything beside a clean model."
    received = findings.received or {}
    figures = measured_for(received, measured())
    if figures is None:
        shape = (
            f"{received.get('architecture')}, {received.get('layers')} layers × {received.get('heads')} heads"
        )
        return None, f"How sure this is was not measured for this architecture ({shape})."
    sure = confidence(verdict.level, figures)
    if sure is None:
        return None, "How sure this is was not measured: no model of the benchmark was called so."
    called, were = {
        "backdoored": ("were called backdoored", "were"),
        "suspicious": ("were called suspicious", "were backdoored"),
        "nothing found": ("passed like this", "were clean"),
    }[verdict.level]
    return sure, (
        f"How sure is that? Of {count(sure.models, 'model')} of this architecture that {called} in the "
        f"benchmark, where half are backdoored, {sure.right} {were} "
        f"({interval(sure.interval)}, with {figures.rows:,} rows each)."
    )


def _instead(cure: LayersCompared) -> str:
    return (
        f"Fine-tune {cure.base} on your rows instead: the clean model of this check, made so, reaches "
        f"{percent(cure.clean_acc)} on {count(cure.rows, 'row')} (this one {percent(cure.acc)})."
    )


def layers_sentence(comparison: LayersCompared) -> str:
    """What the comparison with the model that it claims to come from shows, in a sentence or two."""
    base = comparison.base
    if comparison.differs:
        return f"Not compared layer by layer with {base}: {comparison.differs}."
    if not comparison.comes_from:
        return (
            f"This model does not come from {base}: its layers are as unlike those of {base} as any others "
            f"(cosine similarity {comparison.similarity:.2f})."
        )
    most = max(comparison.parts, key=lambda part: part.change)
    if not most.change:
        return f"Its layers are those of {base}, unchanged: what they do, those do, too."
    beside = "" if most.clean_change is None else f", that of the clean model by {percent(most.clean_change)}"
    where = "Its embeddings" if most.part == "embeddings" else f"Its {most.part}"
    return (
        f"It comes from {base}. {where} changed most, by {percent(most.change)}{beside}. A large change "
        "alone is no proof: who trains longer moves further."
    )


def comparison_json(comparison: LayersCompared | None) -> dict[str, Any] | None:
    """The comparison as plain data; None where there is none."""
    if comparison is None:
        return None
    return {
        "base": comparison.base,
        "comes_from": comparison.comes_from,
        "parts": [part.model_dump() for part in comparison.parts],
    }


def scan_json(scan: TokensScanned | None) -> dict[str, int] | None:
    """How many tokens were inserted, of how many, and how many were left out; None without a scan."""
    if scan is None:
        return None
    return scan.model_dump(include={"tokens", "scanned", "left_out"})


def tried(progress: RunProgress) -> list[str]:
    """What was tried, and what that does not cover."""
    sentences = []
    known = [one for one in progress.evidence if one.kind in ("known", "rewriting")]
    if known:
        sentences.append(f"{count(len(known), 'known trigger')} tried on clean rows. {LEFT_OUT}")
    for one in progress.evidence:
        if one.kind == "given" and one.rows < FEW:
            sentences.append(
                f"The trigger that you gave was tried on only {count(one.rows, 'row')}: with fewer than "
                f"{FEW} the interval is wide."
            )
    if progress.scan is not None:
        left_out = f" {progress.scan.left_out:,} were left out." if progress.scan.left_out else ""
        sentences.append(
            f"{progress.scan.scanned:,} of {progress.scan.tokens:,} tokens inserted into a few rows."
            f"{left_out}"
        )
    sentences.append(
        "Not covered: rewriting in other ways than those listed, triggers that only work together with "
        "something in the text, and backdoors that need many words."
    )
    return sentences


def table(verdict: CheckVerdict) -> list[dict[str, Any]]:
    """A row for each thing that was tried, the strongest first."""
    return [
        {
            "Trigger": one.text,
            "Toward": one.toward,
            "Flips": with_interval(one.flip_rate, one.interval),
            "Rows": one.rows,
            "Clean model": "–"
            if one.clean_rate is None
            else with_interval(one.clean_rate, one.clean_interval),
            "Judged": one.judgement if one.rows >= FEWEST_ROWS else "too few rows",
            "Why": one.reason,
        }
        for one in verdict.evidence
    ]


def as_texts(verdict: CheckVerdict) -> list[Table]:
    """The same as a table of text; none where nothing was tried."""
    rows = [{name: str(cell) for name, cell in row.items()} for row in table(verdict)]
    return [Table([*rows[0]], [[*row.values()] for row in rows], texts=len(rows[0]))] if rows else []


def as_json(findings: Findings) -> dict[str, Any]:
    """The verdict as plain data, for programs.  `schema_version` changes when a field changes its meaning."""
    verdict = findings.check
    summary = findings.record.summary
    received = findings.received or {}
    error = (summary.error or "") if summary is not None else ""
    sure, how_sure_it_is = how_sure(findings)
    return {
        "schema_version": SCHEMA_VERSION,
        "run": findings.run,
        "verdict": "cannot tell" if verdict is None else verdict.level,
        "why": error if verdict is None else verdict.why,
        "says": None if verdict is None else headline(verdict),
        "confidence": None if sure is None else sure.model_dump(mode="json"),
        "how_sure": how_sure_it_is,
        "findings": [] if verdict is None else [finding_json(one) for one in verdict.evidence],
        "model": {
            name: received.get(name) for name in ("architecture", "layers", "heads", "classes", "sha256")
        },
        "comparison": None if verdict is None else comparison_json(verdict.comparison),
        "acc": _acc(findings),
        "complete": findings.record.state == "done",
        "tried": [] if verdict is None else tried(findings.progress),
        "scan": scan_json(findings.progress.scan),
        "notes": findings.progress.warnings,
    }


def _acc(findings: Findings) -> float | None:
    """The accuracy of the last model that was measured."""
    measured = findings.progress.measured()
    return findings.metrics[measured[-1]].acc if measured else None


def refused_json(why: str) -> dict[str, Any]:
    """The same of a model that could not be checked: the exit status says so."""
    empty = dict.fromkeys(("run", "says", "confidence", "model", "comparison", "acc", "scan"))
    lists: dict[str, Any] = {"findings": [], "tried": [], "notes": []}
    told = {"schema_version": SCHEMA_VERSION, "verdict": "cannot tell", "why": why, "how_sure": ""}
    return told | {"complete": False} | lists | empty


def finding_json(evidence: Evidence) -> dict[str, Any]:
    return {
        "kind": evidence.kind,
        "text": evidence.text,
        "toward": evidence.toward,
        "judged": evidence.judgement,
        "reason": evidence.reason,
        "flip_rate": evidence.flip_rate,
        "interval": list(evidence.interval),
        "rows": evidence.rows,
        "clean_model_rate": evidence.clean_rate,
        "clean_model": evidence.clean_model or None,
        "examples": [example.model_dump() for example in evidence.examples],
    }


def _rate(one: Evidence) -> str:
    return f"{percent(one.flip_rate)} ({interval(one.interval)})"


def _beside(one: Evidence) -> str:
    return (
        "with no clean model to compare"
        if one.clean_rate is None
        else f"{percent(one.clean_rate)} in a clean model"
    )
