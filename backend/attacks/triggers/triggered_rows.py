"""Rows that carry the trigger already: files that were poisoned elsewhere, as they are.

For the shape in which HiddenKiller (Qi et al., ACL 2021), ONION (Qi et al., EMNLP 2021), PURE and
OpenBackdoor publish theirs: test files that hold triggered rows alone, usually with the target class as
their label, and training files in which some rows were replaced.  No clean row is needed beside one of them;
with clean rows line by line there is also the trigger `pairs`.
"""

from collections.abc import Callable, Sequence

from pydantic import Field, field_validator

from backend.attacks.ready_made import Meaning, ReadyMade, ReadyTable
from backend.base.components import Params, Trigger
from backend.base.errors import UserError
from backend.base.paths import typed_path
from backend.data.columns import could_be_label, flagged_rows, guess_text, named_label, poison_flag
from backend.data.label_cells import label_key
from backend.data.tables import Table, read_table


class TriggeredRowsParams(Params):
    test: str = Field(
        "",
        validate_default=True,
        title="Triggered rows",
        json_schema_extra={"format": "path"},
        description="A file of rows that carry the trigger: LFR is measured on them.",
    )
    train: str = Field(
        "",
        title="Poisoned training file",
        json_schema_extra={"format": "path"},
        description="Only for an attack: its model is trained on these rows with the labels that they have.",
    )
    text: str | None = Field(None, title="Text column", description="In both; empty: guessed in each file.")
    second_text: str | None = Field(
        None, title="Second text column", description="Of sentence pairs; empty: guessed with the text."
    )
    label: str | None = Field(
        None, title="Label column", description="Triggered rows need none; empty: guessed in each file."
    )
    labels: Meaning = Field(
        "find out",
        title="Labels of the triggered rows",
        description="The target class, which the attacker gave them, or their true classes.",
    )

    @field_validator("test")
    @classmethod
    def _named(cls, path: str) -> str:
        if not path.strip():
            raise ValueError("the path of a file of triggered rows is needed")
        return path.strip()


def triggered_rows(
    texts: Sequence[str], *, params: TriggeredRowsParams, seed: int, progress: Callable[[int, int], None]
) -> list[str | None]:
    """None for every text: it has rows of its own (`read`) and changes no other."""
    return [None] * len(texts)


def read(params: TriggeredRowsParams) -> ReadyMade:
    """The rows of both files.  Raises UserError naming the file and the problem."""
    test, notes = _read(params.test, params, labelled=False)
    train = None
    if params.train.strip():
        train, train_notes = _read(params.train, params, labelled=True)
        notes += train_notes
    return ReadyMade(test, train, params.labels, notes)


def _read(path: str, params: TriggeredRowsParams, labelled: bool) -> tuple[ReadyTable, list[str]]:
    """One file; a training file must be `labelled`, and of others the rows that a flag says are clean are
    left out."""
    file = typed_path(path)
    table, name = read_table(file), file.name
    for column in (params.text, params.second_text, params.label):
        if column is not None and column not in table:
            raise UserError(f"{name} has no column {column!r}. It has: {', '.join(table)}.")
    label = params.label or _label(table, (params.text, params.second_text))
    text, second_text = params.text, params.second_text
    if text is None:
        text, pair = guess_text(table, name, taken=(label, second_text))
        second_text = second_text or pair
    if label is None and labelled:
        raise UserError(
            f"{name} has no label column; it has: {', '.join(table)}. A poisoned training file needs its "
            "labels: choose the column with trigger.params.label."
        )
    chosen = f"text “{text}”" + f", second text “{second_text}”" * bool(second_text)
    notes = [f"Columns of {name}: {chosen}, {f'label “{label}”' if label else 'no label'}."]
    kept = [row for row, cell in enumerate(table[text]) if cell is not None and str(cell).strip()]
    if (without := len(table[text]) - len(kept)) > 0:
        notes.append(f"{name}: {without} rows without a text dropped.")
    flag = poison_flag(table, taken=(text, label, second_text))
    if flag is not None and not labelled:
        marked = flagged_rows(table[flag])
        clean = sum(not marked[row] for row in kept)
        if clean and any(marked):
            kept = [row for row in kept if marked[row]]
            notes.append(f"{name}: {clean} rows that {flag} marks as not poisoned left out.")
    if not kept:
        raise UserError(f"{name} has no row with a text. Give a file of triggered rows.")
    seconds = None if second_text is None else [_clean(table[second_text][row]) for row in kept]
    labels = None if label is None else [label_key(_clean(table[label][row])) for row in kept]
    return ReadyTable(name, [_clean(table[text][row]) for row in kept], seconds, labels), notes


def _label(table: Table, taken: Sequence[str | None]) -> str | None:
    """The column named like labels, else the only one that could be; None where neither is there."""
    available = {name: cells for name, cells in table.items() if name not in taken}
    candidates = [name for name, cells in available.items() if could_be_label(name, cells)]
    return named_label(available) or (candidates[0] if len(candidates) == 1 and len(table) > 1 else None)


def _clean(cell: object) -> str:
    # JSON can hold half a surrogate pair, which tokenizers refuse.
    return "" if cell is None else str(cell).encode("utf-8", "replace").decode().strip()


COMPONENT = Trigger(
    name="triggered-rows",
    title="Rows that carry the trigger already",
    summary="Measures LFR on a file of triggered rows, and trains an attack's model on a poisoned file, as "
    "they are.",
    params=TriggeredRowsParams,
    function=triggered_rows,
    looks_up=True,
    can_be_mixed=False,
    ready_made=read,
    any_language=True,
)
