"""The importance of a run's heads by other strategies than its own."""

from pathlib import Path

from pydantic import ValidationError

from backend import strategies
from backend.analysis.run_models import scored_model
from backend.base.components import Choice
from backend.base.events import HeadScores
from backend.base.paths import run_folder
from backend.spec.run import RunSpec

TRAIN_ROWS, VALIDATION_ROWS = 512, 256
TAU = 0.97
"""The guardrail, as a share of the model's own accuracy, for strategies that search under it."""


def file_of(run: str, strategy: str) -> Path:
    return run_folder(run) / "inspection" / f"scores-{strategy}.json"


def read_scores(run: str, strategy: str) -> HeadScores | None:
    """The scores that `score` kept; None if there are none (yet)."""
    try:
        return HeadScores.model_validate_json(file_of(run, strategy).read_bytes())
    except (OSError, ValidationError):
        return None


def score(run: str, spec: RunSpec, strategy: str) -> HeadScores:
    """Scores of the heads of the fine-tuned model, or of the one that was checked, by that strategy with its
    defaults, on a sample of the clean rows; they are kept and not computed again.  Runs in the warm process.

    Raises UserError if the model or the rows are gone."""
    from backend.analysis.warm.models import open_model
    from backend.analysis.warm.rows import run_rows
    from backend.pruning.defender import Defender  # these load torch

    if (kept := read_scores(run, strategy)) is not None:
        return kept
    clean_data = run_rows(run, spec).clean_data
    validation = clean_data.validation.sample(VALIDATION_ROWS, spec.seed)
    defender = Defender(
        model=open_model(run, scored_model(spec)).model,
        train=clean_data.train.sample(TRAIN_ROWS, spec.seed),
        validation=validation,
        threshold=0.0,
        prune_step=spec.setting("prune_step", 4),
        seed=spec.seed,
    )
    defender.threshold = TAU * defender.accuracy(defender.grid.pruned())
    order = strategies.score(defender, Choice(name=strategy))
    layers, heads = defender.shape
    head_scores = HeadScores(
        run=run,
        strategy=strategy,
        layers=layers,
        heads=heads,
        scores=[[float(score) for score in row] for row in order.scores],
        order=order.order,
        guardrail=order.guardrail,
    )
    file = file_of(run, strategy)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(head_scores.model_dump_json(), encoding="utf-8")
    return head_scores
