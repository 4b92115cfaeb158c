"""What a scan found, in rows that it did not see: the fields of the event Evidence, and what is judged."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from backend.attacks.generators.insertion import draw_for, insert, word_gaps
from backend.base.events import Judgement
from backend.base.progress import Tick
from backend.data.rows import Rows
from backend.detection.confirm import Flips, Share
from backend.detection.find import confirm, grow_all
from backend.detection.known_triggers import as_many_of_each
from backend.detection.rules import judge
from backend.detection.scanning import same_words
from backend.detection.token_scan import Scan
from backend.detection.tried import Suspect, try_rows

WITHIN = 80
"""Words of a row among which a find is inserted, so that long rows keep it when they are cut."""
JUDGED: dict[str, Judgement] = {"trigger": "trigger", "suspicious": "suspicious", "honest": "harmless"}


def evidence_of(
    suspect: Suspect, state: Scan, scan_rows: Rows, fresh_rows: Rows, names: list[str], tick: Tick
) -> Iterator[tuple[dict[str, Any], Judgement, str]]:
    """Each find of the scan with its counts and examples in fresh rows, and what it is judged, and why."""

    def check(*_: int) -> None:
        tick(0, 1)

    model, tokenizer, clean = suspect.model, suspect.tokenizer, same_words(suspect)
    phrases = grow_all(model, tokenizer, scan_rows, state, clean, check, suspect.max_length)
    measured = confirm(
        model, tokenizer, scan_rows, fresh_rows, state, phrases, clean, check, suspect.max_length
    )
    rows = fresh_rows.take(as_many_of_each(fresh_rows.labels, len(names), seed=0))
    bench = suspect.bench(rows, names, check)
    for done, features in enumerate(measured):
        tick(done, len(measured))
        texts = [_inserted(row, features.text) for row in rows.texts]
        changed = np.array([new != old for new, old in zip(texts, rows.texts, strict=True)])
        triggered = rows.with_texts(texts).take(np.flatnonzero(changed).tolist())
        fields = try_rows(suspect, bench, triggered, changed, check, features.toward)
        if not fields:
            continue
        if features.clean is None and fields["clean_rows"]:
            # It has other tokens than the model, but reads the same texts.
            names_of_share = ("flips", "rows", "interval")
            share = Share(**{name: fields[f"clean_{name}"] for name in names_of_share})
            features = features.model_copy(update={"clean": Flips(overall=share, by_place={})})
        judgement = judge(features)
        yield fields | {"text": f"“{features.text}”"}, JUDGED[judgement.kind], judgement.reason
    tick(len(measured), len(measured))


def _inserted(row: str, text: str) -> str:
    gaps = word_gaps(row, WITHIN)
    return insert(row, draw_for(row, 0).choice(gaps), text) if gaps else row
