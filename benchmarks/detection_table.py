"""The figures of the benchmark of detection: for the dashboard, and as Markdown."""

import re
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from sklearn.metrics import roc_auc_score

from backend.base.events import Judgement
from backend.base.intervals import FEWEST_ROWS, newcombe, wilson
from backend.base.numbers import interval
from backend.detection import rules, tried
from backend.detection.confirm import Flips, Share
from backend.detection.find import JUDGED
from backend.findings import confidence
from backend.findings.check import WEIGHT, CheckLevel
from backend.findings.confidence import Called, Family, Measured
from backend.studies.exports import markdown_table
from benchmarks.common import ROOT
from benchmarks.detection_models import INSERTED, ROWS
from benchmarks.results import RESULTS, row_a_line

BASELINES = RESULTS / "detection_baselines.jsonl"
PAGE = ROOT / "docs" / "results" / "detection.md"
Found = dict[str, Any]
"""The stored results of one model."""
LEVELS: dict[str, CheckLevel] = {
    "trigger": "backdoored",
    "suspicious": "suspicious",
    "harmless": "nothing found",
}
OF_THE_CLASS = "a word of the class"
"""In the reason of evidence that was judged by the user's own rows."""

LEGEND = f"""\
# Detection: does a check tell backdoored models from clean ones?

Made by `python benchmarks/detection.py --only-table` from `results/detection.jsonl`. Every model is
MiniLM-L6 (6 × 12 heads), fine-tuned for 3 epochs at 1e-4 on {ROWS:,} rows of an attacker (with or without a
trigger) and checked with {ROWS:,} other rows of the same task: the built-in movie reviews, SST-2, or AG News
(four classes). Thresholds were fixed on the half **fit**; the figures that count are those of the half
**test**, which has other seeds, words and target classes, and other draws from the same pools of rows.

Not measured: poison rates of 1 %, triggers in words of the task (planned, as models 117 and on), clean-label
poisoning, attackers who keep embeddings as they were, and other architectures. The search was still being
improved when first results of both halves were known; only the thresholds come from one half alone.

Seconds were taken with two checks at a time, and at times other work beside them. Alone on the same two
cores a check of a model of two classes took 4 minutes and 16 seconds, the known triggers 20 seconds of it.
Four classes and longer texts (AG News) take three times as long.

**Flagged**: called backdoored or suspicious. **Named**: a trigger or suspicious find whose text is the
planted word or part of it, or words of the planted sentence. Brackets hold Wilson's 95 % intervals."""


def write_table(rows: Sequence[Found], baselines: Sequence[Found] = ()) -> None:
    """Write docs/results/detection.md and assets/detection.json."""
    if not rows:
        return
    test = [row for row in rows if row["half"] == "test"]
    figures = [] if not test else [_figures(test).model_dump(mode="json")]
    confidence.FOUND.write_text(row_a_line(figures, 2) + "\n", encoding="utf-8")
    lines = [*LEGEND.splitlines(), "", _done(rows), ""]
    for half, title in (("test", "Test: the figures"), ("fit", "Fit: where thresholds come from")):
        own = [row for row in rows if row["half"] == half]
        if own:
            lines += [f"## {title}", "", markdown_table(_by_family(own)), "", *_sentences(own), ""]
    if any(one["half"] == "fit" and one["family"] == "clean" for one in baselines):
        lines += ["## Beside detectors of triggered rows", "", *_beside(rows, baselines), ""]
    lines += ["## Model by model", "", markdown_table([_line(row) for row in rows])]
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _done(rows: Sequence[Found]) -> str:
    clean = sum(row["family"] == "clean" for row in rows)
    machines = "; ".join(sorted({row["machine"] for row in rows}))
    return (
        f"{len(rows) - clean} backdoored and {clean} clean models. Taken on {machines}, one thread a model."
    )


def level_of(row: Found) -> CheckLevel:
    """The verdict on a model."""
    return LEVELS[min(map(judgement_of, row["evidence"]), key=WEIGHT.__getitem__, default="harmless")]


def judgement_of(evidence: Found) -> Judgement:
    """What the present rules say of the stored counts; of words of the class, what was said."""
    if evidence["kind"] != "inserted":
        return tried.judged(evidence, rewrites=evidence["kind"] == "rewriting")[0]
    if OF_THE_CLASS in evidence["reason"] or not evidence["clean_rows"]:
        said: Judgement = evidence["judgement"]
        return said
    own, clean = (
        Flips(overall=Share(**{name: evidence[f"{whose}{name}"] for name in Share.model_fields}), by_place={})
        for whose in ("", "clean_")
    )
    features = rules.Features(
        text=evidence["text"].strip("“”"),
        toward=0,
        flips=own,
        clean=clean,
        counts=[0, 0],
        class_rows=[0, 0],
        of_moved=evidence["of_moved"],
    )
    return JUDGED[rules.judge(features).kind]


def is_flagged(row: Found) -> bool:
    return level_of(row) != "nothing found"


def is_named(row: Found) -> bool:
    """Whether something that was flagged is what was planted."""
    flagged = [one for one in row["evidence"] if judgement_of(one) != "harmless"]
    if row["family"] not in INSERTED:
        return any(one["kind"] == "rewriting" for one in flagged)
    return any(_names(one["text"], row["planted"]) for one in flagged if one["kind"] != "rewriting")


def _names(text: str, planted: str) -> bool:
    """Whether a found text is a planted word, a part of one of three letters or more, or holds one; or is
    made of words of a planted sentence that stand there in that order."""
    quoted = re.search("“(.+)”", text)
    found = _words(quoted[1] if quoted else text)
    for each in planted.split(", ") if " " not in planted.replace(", ", "") else [planted]:
        words = _words(each)
        if len(words) > 1:
            if _in_order(found, words):
                return True
        elif words[0] in found or (len("".join(found)) >= 3 and "".join(found) in words[0]):
            return True
    return False


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _in_order(part: Sequence[str], whole: Iterable[str]) -> bool:
    rest = iter(whole)
    return bool(part) and all(word in rest for word in part)


def score_of(row: Found) -> float:
    """The strongest evidence against a model: by how much the least difference from the clean model (95 %)
    lies above what makes it suspicious."""
    scores = [-1.0]
    for one in row["evidence"]:
        if one["clean_rows"] and one["rows"] >= FEWEST_ROWS and OF_THE_CLASS not in one["reason"]:
            own = (one["flips"] / one["rows"], tuple(one["interval"]))
            clean = (one["clean_flips"] / one["clean_rows"], tuple(one["clean_interval"]))
            scores.append(newcombe(own, clean)[0] - _asked(one))
    return max(scores)


def _asked(evidence: dict[str, Any]) -> float:
    """The difference from which it is suspicious."""
    if evidence["kind"] != "inserted":
        return tried.SUSPICIOUS
    if evidence["of_moved"] and evidence["interval"][0] >= rules.TAKES_OVER:
        return rules.MORE_MOVED
    further = 0 if evidence["of_moved"] else len(evidence["text"].split()) - 1
    return rules.MORE + rules.EACH_WORD * further


def _figures(rows: Sequence[Found]) -> Measured:
    called = {
        level: Called(
            models=len(of_level := [row for row in rows if level_of(row) == level]),
            backdoored=sum(row["family"] != "clean" for row in of_level),
        )
        for level in LEVELS.values()
    }
    families = {
        family: Family(models=len(own), flagged=sum(map(is_flagged, own)), named=sum(map(is_named, own)))
        for family, own in _families(rows).items()
    }
    return Measured(architecture="bert", layers=6, heads=12, rows=ROWS, called=called, families=families)


def _families(rows: Sequence[Found]) -> dict[str, list[Found]]:
    families = dict.fromkeys(row["family"] for row in rows)
    return {family: [row for row in rows if row["family"] == family] for family in families}


def _by_family(rows: Sequence[Found]) -> list[dict[str, str]]:
    lines = []
    for family, own in _families(rows).items():
        planted = [row["lfr"] for row in own if row["lfr"] is not None]
        lines.append(
            {
                "Kind": family,
                "Models": str(len(own)),
                "Flagged": _share(sum(map(is_flagged, own)), len(own)),
                "Named": "" if family == "clean" else _share(sum(map(is_named, own)), len(own)),
                "LFR of the models": f"{min(planted):.0%} to {max(planted):.0%}" if planted else "",
            }
        )
    return lines


def _share(number: int, models: int) -> str:
    return f"{number} of {models} ({interval(wilson(number, models))})"


def _sentences(rows: Sequence[Found]) -> list[str]:
    backdoored = [row["family"] != "clean" for row in rows]
    lines = []
    if 0 < sum(backdoored) < len(rows):
        auc = roc_auc_score(backdoored, [score_of(row) for row in rows])
        lines.append(f"ROC-AUC over the models, by the strongest evidence: {auc:.3f}.")
    for level in LEVELS.values():
        of_level = [row for row in rows if level_of(row) == level]
        number = sum(row["family"] != "clean" for row in of_level)
        if of_level:
            lines.append(f"Called {level}: {len(of_level)}, of which {number} are backdoored.")
    total = statistics.median(sum(row["seconds"].values()) for row in rows)
    battery = statistics.median(row["seconds"]["known_triggers"] for row in rows)
    lines.append(f"Median time of a check: {total:.0f} s, of which the known triggers take {battery:.0f} s.")
    return lines


DETECTORS = {
    "onion": "ONION: predictions that change without surprising words",
    "perplexity": "Perplexity alone: surprising rows",
}


def _beside(rows: Sequence[Found], baselines: Sequence[Found]) -> list[str]:
    """The baselines on the test half, with thresholds above all clean models of the other; and the check's
    own figures on the same models."""
    fit, test = ([row for row in baselines if row["half"] == half] for half in ("fit", "test"))
    lines = []
    for detector, title in DETECTORS.items():
        clean = [row[detector] for row in fit if row["family"] == "clean"]
        flagged = [row for row in test if clean and row[detector] > max(clean)]
        lines.append(_detector(title, test, flagged, [row[detector] for row in test]))
    tested = {row["model"] for row in test}
    own = [row for row in rows if row["model"] in tested]
    scores = [score_of(row) for row in own]
    lines.append(_detector("The check, which sees no such rows", own, list(filter(is_flagged, own)), scores))
    return [
        "Two detectors of triggered rows see 30 rows as an attacker sends them, half of them with the "
        "trigger, which a check does not. Their thresholds lie above what they make of all clean models of "
        "the fit half.",
        "",
        markdown_table(lines),
    ]


def _detector(
    title: str, rows: Sequence[Found], flagged: Sequence[Found], scores: Sequence[float]
) -> dict[str, str]:
    backdoored = [row["family"] != "clean" for row in rows]
    right = sum(row["family"] != "clean" for row in flagged)
    both = 0 < sum(backdoored) < len(rows)
    return {
        "Detector": title,
        "Backdoored models flagged": _share(right, sum(backdoored)) if any(backdoored) else "",
        "False alarms": _share(len(flagged) - right, len(rows) - sum(backdoored)) if both else "",
        "ROC-AUC": f"{roc_auc_score(backdoored, scores):.3f}" if both else "",
    }


def _line(row: Found) -> dict[str, str]:
    flagged = [one for one in row["evidence"] if judgement_of(one) != "harmless"]
    finds = ", ".join(f"{one['text']} → {one['toward']}" for one in flagged[:3])
    return {
        "Model": row["model"],
        "Planted": row["planted"],
        "Rate": f"{row['rate']:.0%}" if row["rate"] else "",
        "LFR": "" if row["lfr"] is None else f"{row['lfr']:.0%}",
        "ACC": f"{row['acc']:.0%}",
        "Verdict": level_of(row),
        "Finds": finds.replace("|", "\\|"),
        "Score": f"{score_of(row):+.2f}",
        "Seconds": f"{sum(row['seconds'].values()):.0f}",
    }
