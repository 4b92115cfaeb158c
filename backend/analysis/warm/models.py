"""A run's models, loaded once and kept while pages ask about them (in the warm process only)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from backend.base.errors import UserError
from backend.base.events import ModelName, title_of
from backend.base.paths import run_folder
from backend.data.rows import Rows
from backend.data.tokens import Encoded, encode
from backend.heads.grid import HeadGrid
from backend.models.classifiers import load_checkpoint

KEPT = 5
LONGEST = 512


@dataclass(frozen=True)
class LoadedModel:
    """A classifier in evaluation mode with its tokenizer and its head grid (no head gated)."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    grid: HeadGrid
    label_names: list[str]

    def encode(self, texts: Sequence[str], max_length: int = 128) -> Encoded:
        """The texts as the model reads them, cut to `max_length` tokens; their labels are all 0."""
        return encode(self.tokenizer, Rows(list(texts), [0] * len(texts)), min(max_length, LONGEST))


@contextmanager
def one_thread() -> Iterator[None]:
    """For a few short texts: several threads would lose more time waiting for each other than they save,
    above all while a run keeps the processor busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def open_model(run: str, name: ModelName) -> LoadedModel:
    """One of a run's models.  Raises UserError if the run left none of that name."""
    folder = run_folder(run) / name
    config = folder / "config.json"
    if not config.is_file():
        raise UserError(
            f"Run {run} has no {title_of(name).lower()} model (any more). Choose another of its models."
        )
    return _load(folder, config.stat().st_mtime_ns)


@lru_cache(maxsize=KEPT)
def _load(folder: Path, changed: int) -> LoadedModel:
    model = load_checkpoint(folder).eval()
    names = [model.config.id2label[number] for number in range(model.config.num_labels)]
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    return LoadedModel(model, tokenizer, HeadGrid(model), names)
