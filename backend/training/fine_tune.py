"""Fine-tuning on transformers' Trainer, with the method's regularisers and persistent gates."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from backend.base.device import autocast, probe
from backend.base.errors import DIVERGED, UserError
from backend.base.progress import Tick, no_tick
from backend.data.tokens import Encoded
from backend.heads.grid import HeadGrid
from backend.heads.packed_forward import pack, run
from backend.heads.statistics import attention_norm
from backend.spec.run import TrainingSpec
from backend.training.raw_head import keep_raw_head, raw_head
from backend.training.regularisers import NO_REGULARISER, Regulariser, named_penalty, projection_penalty

PUBLISHED_DECAY = 0.01
"""Weight decay of torch's AdamW, which the published scripts use as it is."""


def train(
    model: PreTrainedModel,
    rows: Encoded,
    spec: TrainingSpec,
    *,
    seed: int,
    scratch: Path,
    regulariser: Regulariser = NO_REGULARISER,
    tick: Tick = no_tick,
) -> None:
    """Fine-tune `model` in place on `rows`; heads gated before stay gated throughout.

    Batches group rows of similar length; the variant `published` takes them in the data set's order and
    trains a linear layer on the raw [CLS] state, with weight decay, as the authors' scripts do.  With more
    than one epoch a checkpoint after each goes to `scratch` (none in layer-wise and published training);
    training resumes from the last complete one there, and clears `scratch` when it is done.
    `tick(step, steps)` is called after every batch and may raise to stop.  Raises UserError if training
    diverged."""
    rows.check_tokens(model)
    device, published = probe(), spec.variant == "published"
    weight_decay = PUBLISHED_DECAY if published else spec.weight_decay
    arguments = TrainingArguments(
        output_dir=str(scratch),
        num_train_epochs=spec.epochs,
        learning_rate=spec.learning_rate,
        per_device_train_batch_size=spec.batch_size,
        max_grad_norm=spec.max_grad_norm,
        lr_scheduler_type="linear",
        warmup_steps=spec.warmup,  # below 1 it is a share of all steps
        weight_decay=weight_decay,
        train_sampling_strategy="sequential" if published else "group_by_length",
        seed=seed,
        # A checkpoint lacks classifiers beside the model's own, and would resume with others.
        save_strategy="epoch" if spec.epochs > 1 and not (regulariser.layer_wise or published) else "no",
        save_total_limit=1,
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        use_cpu=device.torch_device.type == "cpu",
        bf16=device.bf16,
    )
    # One device: data parallelism would change the batch, and its replicas have no gates.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    # Weight decay moves every embedding, also those of tokens that the rows do not use.
    vocabulary = nullcontext(rows) if weight_decay else _used_vocabulary(model, rows)
    with vocabulary as renumbered:
        trainer = _Trainer(
            model=model,
            args=arguments,
            train_dataset=[{**row, "row": i} for i, row in enumerate(renumbered.features)],
            data_collator=_row_numbers,
            callbacks=[_Ticker(tick)],
        )
        # Standard output belongs to the caller's events.
        trainer.remove_callback(PrinterCallback)
        trainer.rows = renumbered
        trainer.grid = HeadGrid(model)
        trainer.regulariser = regulariser
        trainer.remaining = torch.as_tensor(~trainer.grid.pruned(), device=device.torch_device).float()
        if regulariser.layer_wise:
            torch.manual_seed(seed)
            trainer.layer_classifier = nn.Linear(model.config.hidden_size, model.config.num_labels)
            trainer.layer_classifier.to(device.torch_device)
        trainer.raw_head = raw_head(model, seed) if published else None
        trainer.train(resume_from_checkpoint=_last_checkpoint(scratch))
    if trainer.raw_head is not None:
        keep_raw_head(model, trainer.raw_head)
    model.eval()
    shutil.rmtree(scratch, ignore_errors=True)
    if not all(weight.isfinite().all() for weight in model.parameters()):
        raise UserError(DIVERGED)


@contextmanager
def _used_vocabulary(model: PreTrainedModel, rows: Encoded) -> Iterator[Encoded]:
    """`rows` renumbered for an embedding table of only the tokens that they use, which the model has inside
    the block.

    No other token's embedding gets a gradient, and without weight decay the optimiser does not change it:
    training is the same, but saves those gradients and moments."""
    full_table = model.get_input_embeddings()
    used = sorted({token for row in rows.features for token in row["input_ids"]})
    number = {token: i for i, token in enumerate(used)}
    small_table = nn.Embedding(len(used), full_table.embedding_dim)
    small_table.weight.data = full_table.weight.data[used].clone()
    model.set_input_embeddings(small_table)
    try:
        yield Encoded(
            [{**row, "input_ids": [number[token] for token in row["input_ids"]]} for row in rows.features],
            rows.labels,
            rows.tokenizer,
        )
    finally:
        full_table.weight.data[used] = small_table.weight.data.to(full_table.weight.device)
        model.set_input_embeddings(full_table.to(small_table.weight.device))


def _row_numbers(rows: list[dict[str, Any]]) -> dict[str, Tensor]:
    """The Trainer's batches hold row numbers only: the rows are packed where they are used."""
    return {"row": torch.tensor([row["row"] for row in rows])}


class _Trainer(Trainer):
    rows: Encoded
    grid: HeadGrid
    regulariser: Regulariser
    remaining: Float[Tensor, "layer head"]
    layer_classifier: nn.Linear | None = None
    raw_head: nn.Linear | None = None

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        optimizer: torch.optim.Optimizer = super().create_optimizer(model)
        for classifier in (self.layer_classifier, self.raw_head):
            if classifier is not None:
                optimizer.add_param_group({"params": list(classifier.parameters())})
        return optimizer

    def get_decay_parameter_names(self, model: Any) -> list[str]:
        if self.raw_head is None:
            return list(super().get_decay_parameter_names(model))
        return [name for name, _ in model.named_parameters()]  # torch's AdamW decays all of them

    def compute_loss(
        self,
        model: PreTrainedModel,
        inputs: dict[str, Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        packed = pack(self.rows, inputs["row"].tolist(), inputs["row"].device)
        labels = torch.tensor([self.rows.labels[i] for i in packed.rows], device=inputs["row"].device)
        with autocast():  # the Trainer's own lies around a forward that is not called
            outputs = run(self.grid, packed, cls_rows=bool(self.regulariser.attention))
        logits = outputs.classes if self.raw_head is None else self.raw_head(outputs.first[-1].float())
        loss = functional.cross_entropy(logits.float(), labels)
        if self.regulariser.entropy:
            loss = -torch.distributions.Categorical(logits=logits.float()).entropy().mean()
        if self.regulariser.l1 or self.regulariser.l2:
            penalty = named_penalty if self.regulariser.by_name else projection_penalty
            loss = loss + penalty(self.grid, self.regulariser.l1, self.regulariser.l2)
        if self.regulariser.attention:
            layers = self.regulariser.layers
            weights = torch.ones(self.grid.layers) if layers is None else layers
            norm = attention_norm(outputs.cls_rows, weights.to(loss.device), self.remaining)
            loss = loss + self.regulariser.attention * norm
        if self.layer_classifier is not None:
            by_layer = [self.layer_classifier(first.float()) for first in outputs.first]
            loss = loss + torch.stack([functional.cross_entropy(each, labels) for each in by_layer]).mean()
        return (loss, outputs) if return_outputs else loss


class _Ticker(TrainerCallback):
    def __init__(self, tick: Tick) -> None:
        self.tick = tick

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.tick(state.global_step, state.max_steps)


def _last_checkpoint(scratch: Path) -> str | None:
    """The newest complete checkpoint: the Trainer writes its state file after weights and optimiser."""
    checkpoints = [path.parent for path in scratch.glob("checkpoint-*/trainer_state.json")]
    newest = max(checkpoints, key=lambda folder: int(folder.name.split("-")[1]), default=None)
    return None if newest is None else str(newest)
