"""RunSpec: everything that determines a run, validated before any work starts."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from backend import strategies
from backend.attacks import triggers
from backend.base.components import Choice, explain, pick
from backend.base.errors import UserError


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class ModelSpec(_Part):
    """The victim: what the attacker starts from, or what the defender downloaded."""

    source: Literal["embedded", "hub", "folder", "run"] = Field("embedded", title="Source")
    name: str = Field("", title="Name", description="Hub name, folder path or run id; empty for embedded.")
    head: Literal["fresh", "keep"] = Field(
        "fresh",
        title="Classifier head",
        description="An encoder gets a fresh head; a classifier may keep its own.",
    )
    random_weights: bool = Field(
        False, title="Random weights", description="The model's shapes with untrained weights: for cost only."
    )

    @model_validator(mode="after")
    def _named(self) -> "ModelSpec":
        if self.source != "embedded" and not self.name:
            raise ValueError(f"a model from source {self.source!r} needs a name")
        return self


class DataSpec(_Part):
    """Clean data, split into train, validation and test."""

    source: Literal["embedded", "hub", "files"] = Field("embedded", title="Source")
    name: str = Field(
        "", title="Hub data set", description="For example sst2 or owner/name; empty for files."
    )
    train: str = Field("", title="File of rows", description="The only file, or the training rows.")
    validation: str = Field(
        "", title="File of validation rows", description="Empty: split from the training rows."
    )
    test: str = Field("", title="File of test rows", description="Empty: split from the training rows.")
    text: str | None = Field(None, title="Text column", description="Empty: guessed and shown.")
    second_text: str | None = Field(None, title="Second text column", description="For sentence pairs.")
    label: str | None = Field(None, title="Label column", description="Empty: guessed and shown.")
    train_rows: int | None = Field(None, ge=8, title="Training rows", description="Empty: all.")
    validation_rows: int | None = Field(None, ge=8, title="Validation rows", description="Empty: all.")
    test_rows: int | None = Field(None, ge=8, title="Test rows", description="Empty: all.")
    max_length: int = Field(128, ge=8, le=512, title="Maximum length", description="Tokens a row is cut to.")
    split_seed: int = Field(0, ge=0, title="Split seed")

    @model_validator(mode="after")
    def _named(self) -> "DataSpec":
        if self.source == "hub" and not self.name:
            raise ValueError("data from the hub needs a name, for example sst2")
        if self.source == "files" and not self.train:
            raise ValueError("data from files needs the path of a file of rows")
        return self


class TriggerSpec(Choice):
    """How rows are triggered, and the class that triggered rows are to be called."""

    target_class: int | str = Field(
        1, description="The class's name in quotes, or its number, counted from 0."
    )
    edits: dict[str, str | None] = Field(
        {}, description="Rewritings that a person decided, by clean text; null drops the row."
    )


class TrainingSpec(_Part):
    """One fine-tuning: AdamW, linear schedule without warm-up (arXiv 2508.20032, section 4)."""

    epochs: float = Field(3, gt=0, le=100, title="Epochs")
    learning_rate: float = Field(2e-5, gt=0, le=1, title="Learning rate")
    batch_size: int = Field(32, ge=1, le=4096, title="Rows per batch")
    max_grad_norm: float = Field(1.0, gt=0, title="Gradient clipping")


class AttackSpec(_Part):
    """Planting: triggered non-target rows with flipped labels are added to the clean training rows."""

    poison_rate: float = Field(
        0.5, gt=0, le=1, title="Poison rate", description="Share of the non-target rows."
    )
    planting: Literal["last-layer", "layer-wise"] = Field(
        "last-layer",
        title="Planting",
        description="Loss at the classifier alone, or also at every layer's [CLS] (Li et al., EMNLP 2021).",
    )
    training: TrainingSpec = TrainingSpec(learning_rate=5e-5)


class OnionSpec(_Part):
    """A filter on the texts that are to be classified (ONION, EMNLP 2021)."""

    share: float = Field(
        0.05, gt=0, lt=1, title="Clean words", description="Share of clean words that it may take away."
    )
    rows: int = Field(
        100, ge=16, title="Rows", description="Test rows, and triggered rows, that are filtered and measured."
    )


class DefenseSpec(_Part):
    strategy: Choice = Choice(name="gradient")
    train_rows: int | None = Field(
        None,
        ge=8,
        title="Defender's rows",
        description="Clean training rows to defend with; empty: all.",
    )
    threshold_kind: Literal["relative", "absolute"] = Field(
        "relative",
        title="Guardrail τ is",
        description="A share of the fine-tuned model's validation accuracy, or that accuracy itself.",
    )
    accuracy_threshold: float = Field(0.95, ge=0, le=1, title="Accuracy threshold τ")
    prune_step: int = Field(4, ge=1, le=1000, title="Heads per step s")
    entropy: TrainingSpec | None = Field(
        None, description="Maximising output entropy before the first fine-tuning; none: left out."
    )
    fine_tune: TrainingSpec = TrainingSpec()
    refine: TrainingSpec | None = Field(
        TrainingSpec(), description="The second fine-tuning; none: pruning alone."
    )
    refine_from: Literal["downloaded", "pruned"] = Field(
        "downloaded",
        title="Fine-tune again from",
        description="The downloaded encoder with a fresh head (published code), or the pruned model (paper).",
    )
    regulariser: Literal["none", "attention-normalisation", "l2"] = Field(
        "attention-normalisation",
        title="Regulariser of the second fine-tuning",
        description="PURE's attention normalisation, or the L2 norm of the remaining heads' weights.",
    )
    regulariser_weight: float = Field(0.15, ge=0, title="Regulariser weight")
    onion: OnionSpec | None = Field(
        None, description="Take surprising words out of the texts before they are classified; none: left out."
    )
    curve_rows: int = Field(
        400,
        ge=16,
        title="Rows of the live curve",
        description="Test rows, and triggered rows, sampled at each step.",
    )


class RunSpec(_Part):
    """A run: a victim, clean data, perhaps a planted trigger, perhaps a defense.

    With `attack` the trigger is planted first.  Without it the victim is taken as it is, and a
    trigger only measures LFR.  Without a trigger, LFR is absent."""

    name: str = Field("", max_length=200, title="Name")
    model: ModelSpec = ModelSpec()
    data: DataSpec = DataSpec()
    trigger: TriggerSpec | None = None
    attack: AttackSpec | None = None
    defense: DefenseSpec | None = None
    seed: int = Field(11, ge=0, lt=2**31, title="Seed")
    share: bool = Field(
        False,
        title="Share stages",
        description="Take over what other sharing runs with the same settings have finished.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "RunSpec":
        if self.attack is None and self.defense is None:
            raise ValueError("nothing to do: give an attack, a defense or both")
        if self.attack is not None and self.trigger is None:
            raise ValueError("an attack needs a trigger to plant")
        try:
            if self.trigger is not None:
                pick("trigger", triggers.COMPONENTS, self.trigger)
            if self.defense is not None:
                pick("strategy", strategies.COMPONENTS, self.defense.strategy)
        except UserError as error:
            raise ValueError(str(error)) from error
        return self


def is_untrained(settings: dict[str, Any]) -> bool:
    """Whether the model of a run with these settings begins with random weights, so that its numbers are
    costs and no results."""
    return bool((settings.get("model") or {}).get("random_weights"))


def parse(settings: Any) -> RunSpec:
    """A specification from plain data; raises UserError naming what is wrong."""
    if not isinstance(settings, dict):
        raise UserError(f"A run specification is a mapping of settings; this is a {type(settings).__name__}.")
    try:
        return RunSpec.model_validate(settings)
    except ValidationError as error:
        raise UserError(f"The run specification is not valid. {explain(error)}") from error


def load(path: Path) -> RunSpec:
    """A specification from a YAML (or JSON) file; raises UserError."""
    try:
        return parse(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(
            f"The specification {path} cannot be read ({error.strerror}). Check the path."
        ) from error
    except (yaml.YAMLError, ValueError) as error:  # a date that is none is a ValueError
        raise UserError(f"The specification {path} is not readable YAML: {error}") from error
    except RecursionError as error:
        raise UserError(f"The specification {path} is nested too deeply, or holds itself.") from error
