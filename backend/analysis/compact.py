"""The defended model made compact: built, checked against the gated one, and its size and speed.

No torch until a model is built: pages only read its measurement."""

import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backend.analysis.run_models import pairs
from backend.base.errors import UserError
from backend.base.events import Head
from backend.base.paths import run_folder
from backend.data import Rows
from backend.data import load as load_data
from backend.runs.results import model_folder, room_for
from backend.spec.run import RunSpec

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from backend.data.tokens import Batch

COMPACT_FOLDER = "compact"
RECORD = "excise.json"
TOLERANCE = 1e-4
ROWS, BATCH_ROWS, ROUNDS = 64, 32, 5
MOST_SECONDS = 20.0


@dataclass(frozen=True)
class CompactMeasurement:
    """A compact model compared with the whole one: bytes of their weights, rows per second (float32, padded
    batches of `batch_rows`, the median of passes that alternate between the two), and the largest
    difference of their logits on the same `rows`."""

    bytes_whole: int
    bytes_compact: int
    speed_whole: float
    speed_compact: float
    rows: int
    batch_rows: int
    device: str
    difference: float


def compact_folder(run: str) -> Path:
    """Where a run's compact model is, once it is made."""
    return run_folder(run) / COMPACT_FOLDER


def read_measurement(run: str) -> CompactMeasurement | None:
    """The measurement of the run's compact model; None if there is no such model (yet)."""
    try:
        return CompactMeasurement(**json.loads((compact_folder(run) / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def make_compact(run: str, spec: RunSpec | None, pruned: Sequence[Head]) -> CompactMeasurement:
    """Make the run's compact model unless it is there, and return its measurement; loads torch.

    Raises UserError without a defended model, pruned heads or rows to check it on, and if its logits
    differ from the gated model's by more than 1e-4."""
    measurement = read_measurement(run)
    if measurement is not None:
        return measurement
    whole = model_folder(run)
    if whole is None:
        raise UserError(f"Run {run} has no defended model. Only runs whose defense finished have one.")
    if not pruned:
        raise UserError(
            f"Run {run} pruned no head, so a compact model would equal the whole one. "
            "Download the zeroed model."
        )
    if spec is None:
        raise UserError(
            f"The settings of run {run} are not valid in this version of Excise, so there are no rows to "
            "check a compact model on. Download the zeroed model."
        )
    rows = _rows_to_check(run, spec)
    target = compact_folder(run)
    with room_for(target):
        part = Path(tempfile.mkdtemp(prefix=f".{COMPACT_FOLDER}-", dir=target.parent))
        try:
            measurement = _build(whole, part, rows, spec.data.max_length, pruned)
            (part / RECORD).write_text(json.dumps(asdict(measurement), indent=1) + "\n", encoding="utf-8")
            part.chmod(0o755)
            shutil.rmtree(target, ignore_errors=True)
            part.replace(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return measurement


def _rows_to_check(run: str, spec: RunSpec) -> Rows:
    """Test rows of the run, from its own folder where it has any: its data may be gone by now."""
    kept = [pair.clean or pair.triggered for pair in pairs(run, ROWS)]
    if kept:
        return Rows(kept, [0] * len(kept))
    return load_data(spec.data).test.sample(ROWS, spec.seed)


def _build(
    whole: Path, folder: Path, rows: Rows, max_length: int, pruned: Sequence[Head]
) -> CompactMeasurement:
    import numpy as np
    from transformers import AutoTokenizer

    from backend.base.device import probe
    from backend.data.tokens import encode, to_device
    from backend.heads import excise_compact
    from backend.heads.grid import HeadGrid
    from backend.heads.surgery import compact, save_compact
    from backend.models.classifiers import load_checkpoint, translate_errors

    device = probe()
    with translate_errors(str(whole)):
        model = load_checkpoint(whole).eval()
        tokenizer = AutoTokenizer.from_pretrained(whole, trust_remote_code=False)
    encoded = encode(tokenizer, rows, max_length)
    batches = [
        to_device(encoded.batch(batch), device.torch_device) for batch in encoded.batches_in_order(BATCH_ROWS)
    ]
    grid = HeadGrid(model)
    gates = np.zeros(grid.shape, dtype=bool)
    for head in pruned:
        gates[head] = True
    grid.gate(gates)
    save_compact(compact(grid), folder)
    tokenizer.save_pretrained(folder)
    small = excise_compact.load(folder)[0].to(device.torch_device)
    difference = max(_difference(model, small, batch) for batch in batches)
    if not difference <= TOLERANCE:
        raise UserError(
            f"The compact model's logits differ from the gated model's by {difference:.1g}, more than "
            f"{TOLERANCE:g} allows, so it was not kept. Download the zeroed model, and please report this."
        )
    # The whole model as its users run it: no gates, the library's own attention.
    grid.gate(gates & False)
    model.set_attn_implementation("sdpa")
    speed_whole, speed_compact = _speeds([model, small], batches, len(rows))
    return CompactMeasurement(
        bytes_whole=(whole / "model.safetensors").stat().st_size,
        bytes_compact=(folder / excise_compact.WEIGHTS).stat().st_size,
        speed_whole=speed_whole,
        speed_compact=speed_compact,
        rows=len(rows),
        batch_rows=BATCH_ROWS,
        device=device.name,
        difference=difference,
    )


def _difference(model: "PreTrainedModel", other: "PreTrainedModel", batch: "Batch") -> float:
    import torch

    with torch.inference_mode():
        return float((model(**batch).logits - other(**batch).logits).abs().max())


def _speeds(models: "Sequence[PreTrainedModel]", batches: "Sequence[Batch]", rows: int) -> list[float]:
    """Rows per second of each model: medians of passes over all batches, taken in turns so that
    other load on the machine slows all alike; fewer passes where they take long."""
    import torch

    def seconds(model: "PreTrainedModel") -> float:
        began = time.perf_counter()
        for batch in batches:
            # Reading the numbers back waits for a device that works ahead.
            model(**batch).logits.cpu()
        return time.perf_counter() - began

    with torch.inference_mode():
        for model in models:
            model(**batches[0])
        began = time.perf_counter()
        passes: list[list[float]] = []
        while len(passes) < ROUNDS and (not passes or time.perf_counter() - began < MOST_SECONDS):
            passes.append([seconds(model) for model in models])
    return [rows / statistics.median(taken) for taken in zip(*passes, strict=True)]
