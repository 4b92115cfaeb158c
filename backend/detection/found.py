"""What a scan found, in rows that it did not see: the fields of the event Evidence, and what is judged."""

from collections.abc import Iterator
from typing import Any

from backend.base.components import Choice
from backend.base.events import Judgement
from backend.base.progress import Tick
from backend.data.rows import Rows
from backend.detection.confirm import Flips, Share
from backend.detection.find import confirm, grow_all
from backend.detection.known_triggers import as_many_of_each, triggered_rows
from backend.detection.rules import Features, judge
from backend.detection.scanning import same_words
from backend.detection.token_scan import Scan
from backend.detection.tried import Suspect, try_rows

SEED = 0
JUDGED: dict[str, Judgement] = {"trigger": "trigger", "suspicious": "suspicious", "honest": "harmless"}


def evidence_of(
    suspect: Suspect,
    state: Scan,
    scan_rows: Rows,
    fresh_rows: Rows,
    names: list[str],
    moved: list[int],
    tick: Tick,
) -> Iterator[tuple[dict[str, Any], Judgement, str]]:
    """Each find of the scan with its counts and examples in fresh rows, and what it is judged, and why."""

    def check(*_: int) -> None:
        tick(0, 1)

    model, tokenizer, clean = suspect.model, suspect.tokenizer, same_words(suspect)
    phrases = grow_all(model, tokenizer, scan_rows, state, clean, check, suspect.max_length, moved)
    measured = confirm(
        model, tokenizer, scan_rows, fresh_rows, state, phrases, clean, check, suspect.max_length
    )
    rows = fresh_rows.take(as_many_of_each(fresh_rows.labels, len(names), SEED))
    bench = suspect.bench(rows, names, check)
    for done, features in enumerate(measured):
        tick(done, len(measured))
        if not features.flips.overall.rows:
            continue
        judgement, examples = judge(features), []
        if judgement.kind != "honest" or features.clean is None:
            triggered, changed = triggered_rows(rows, _between_words(features.text), SEED)
            fields = try_rows(suspect, bench, triggered, changed, check, features.toward)
            examples = fields.get("examples", [])
            if features.clean is None and fields.get("clean_rows"):
                # The clean model has other tokens, but reads the same texts.
                features = features.model_copy(update={"clean": _clean_flips(fields)})
                judgement = judge(features)
        yield (
            _fields(suspect, features, names) | {"examples": examples},
            JUDGED[judgement.kind],
            judgement.reason,
        )
    tick(len(measured), len(measured))


def _fields(suspect: Suspect, features: Features, names: list[str]) -> dict[str, Any]:
    """The fields of the event: the counts that are judged."""
    own = features.flips.overall
    clean = features.clean.overall if features.clean is not None else None
    known = clean is not None and clean.rows > 0
    return {
        "text": f"“{features.text}”",
        "toward": names[features.toward],
        "flips": own.flips,
        "rows": own.rows,
        "interval": own.interval,
        "clean_flips": clean.flips if clean and known else None,
        "clean_rows": clean.rows if clean and known else None,
        "clean_interval": clean.interval if clean and known else None,
        "clean_model": suspect.clean.about if suspect.clean and known else "",
    }


def _clean_flips(fields: dict[str, Any]) -> Flips:
    share = Share(**{name: fields[f"clean_{name}"] for name in ("flips", "rows", "interval")})
    return Flips(overall=share, by_place={})


def _between_words(text: str) -> Choice:
    """The trigger that puts the text somewhere among the words of a row."""
    return Choice(name="sentence", params={"sentence": text, "position": "between words"})
