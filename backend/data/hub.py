"""Data sets of the Hugging Face hub, by short name or `owner/name`, perhaps `owner/name:configuration`."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from backend.base.errors import UserError
from backend.data.assemble import assemble
from backend.data.columns import choose_columns
from backend.data.rows import Dataset
from backend.data.tables import Table

if TYPE_CHECKING:
    from backend.spec.run import DataSpec

SPLIT_NAMES = {
    "train": ("train",),
    "validation": ("validation", "valid", "dev", "validation_matched"),
    "test": ("test",),
}
PROBE_SECONDS = 5


@dataclass(frozen=True)
class HubData:
    """A data set that has a short name here: its path, the columns used, its rows by split."""

    name: str
    title: str
    path: str
    rows: str
    text: str = "text"
    second_text: str | None = None


KNOWN = {
    known.name: known
    for known in (
        HubData(
            "sst2",
            "SST-2: movie-review phrases, two classes",
            "stanfordnlp/sst2",
            "67,349 train, 872 validation",
            text="sentence",
        ),
        HubData(
            "imdb", "IMDB: whole movie reviews, two classes", "stanfordnlp/imdb", "25,000 train, 25,000 test"
        ),
        HubData(
            "rotten_tomatoes",
            "Rotten Tomatoes: movie-review sentences, two classes",
            "cornell-movie-review-data/rotten_tomatoes",
            "8,530 train, 1,066 validation, 1,066 test",
        ),
        HubData(
            "ag_news", "AG News: news items, four classes", "fancyzhx/ag_news", "120,000 train, 7,600 test"
        ),
        HubData(
            "emotion",
            "Emotion: tweets, six classes",
            "dair-ai/emotion",
            "16,000 train, 2,000 validation, 2,000 test",
        ),
        HubData(
            "cola",
            "CoLA: is a sentence good English",
            "nyu-mll/glue:cola",
            "8,551 train, 1,043 validation, 1,063 test",
            text="sentence",
        ),
        HubData(
            "rte",
            "RTE: does one sentence follow from the other",
            "nyu-mll/glue:rte",
            "2,490 train, 277 validation, 3,000 test",
            text="sentence1",
            second_text="sentence2",
        ),
        HubData(
            "mrpc",
            "MRPC: is one sentence a paraphrase of the other",
            "nyu-mll/glue:mrpc",
            "3,668 train, 408 validation, 1,725 test",
            text="sentence1",
            second_text="sentence2",
        ),
    )
}


def load_hub(spec: "DataSpec") -> Dataset:
    """Rows of a hub data set; without the hub, its local copy from an earlier load.

    Where the test labels are hidden (GLUE's -1) or there is no test split, the validation rows
    become the test rows, and validation is cut from the training rows.  Raises UserError."""
    hub_data = KNOWN.get(spec.name)
    settings = spec
    if hub_data is not None:
        chosen = {"text": spec.text or hub_data.text, "second_text": spec.second_text or hub_data.second_text}
        settings = spec.model_copy(update={**chosen, "label": spec.label or "label"})
    data = _download(hub_data.path if hub_data else spec.name, spec.name)
    parts = {
        part: data[name]
        for part, names in SPLIT_NAMES.items()
        for name in [n for n in names if n in data][:1]
    }
    if "train" not in parts:
        raise UserError(f"The data set {spec.name!r} has no train split; it has: {', '.join(data)}.")
    tables = {part: _table(rows) for part, rows in parts.items()}
    columns, notes = choose_columns(
        tables["train"], f"The data set {spec.name!r}", settings.text, settings.label, settings.second_text
    )
    settings = settings.model_copy(
        update={"text": columns.text, "second_text": columns.second_text, "label": columns.label}
    )
    if "test" in tables and not any(_labelled(cell) for cell in tables["test"].get(columns.label, [])):
        del tables["test"]
        notes.append("The test labels are hidden, so those rows are left out.")
    if "test" not in tables and "validation" in tables:
        tables["test"] = tables.pop("validation")
        notes.append("The data set's validation rows serve as test rows here.")
    names = getattr(parts["train"].features[columns.label], "names", None)
    dataset = assemble(spec.name, tables, settings, names)
    return replace(dataset, notes=list(dict.fromkeys(notes + dataset.notes)))


def _labelled(cell: Any) -> bool:
    return cell is not None and cell != -1


def _table(rows: Any) -> Table:
    """The columns that can be text or label: strings and numbers."""
    from datasets import ClassLabel, Value

    flat = [name for name, kind in rows.features.items() if isinstance(kind, ClassLabel | Value)]
    return {name: list(rows[name]) for name in flat}


def _download(path: str, name: str) -> Any:
    import datasets

    repository, _, configuration = path.partition(":")
    reachable = hub_reachable()
    # Without the hub the library retries for half a minute before it looks for its local copy.
    before = datasets.config.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = before or not reachable
    try:
        return datasets.load_dataset(repository, configuration or None)
    except Exception as error:
        # The library passes on errors of its file system, its parsers and its HTTP client.
        if not reachable:
            raise UserError(
                f"The data set {name!r} is not on this machine and the Hugging Face hub cannot be reached: "
                "connect, use the rows as files (source: files), or use the embedded movie reviews."
            ) from error
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"The data set {name!r} could not be loaded from the hub: {reason}") from error
    finally:
        datasets.config.HF_HUB_OFFLINE = before


def hub_reachable() -> bool:
    """Whether the hub answers within a few seconds."""
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=PROBE_SECONDS)
    except Exception:
        # Which class is raised depends on the HTTP client that huggingface_hub was built with.
        return False
    return True
