"""RunSpec: all settings of a run, validated before any work starts."""

import codecs
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from backend.base.components import Choice, pick, registered
from backend.base.errors import UserError
from backend.base.steps import Defense, DefenseParams
from backend.spec.old_forms import defense_of

HUB_DEFAULT = "google-bert/bert-base-uncased"
Separator = Literal["comma", "semicolon", "tab", "pipe"]
SEPARATORS: dict[Separator, str] = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
NOT_OF_FILES = {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "utf-7"}
"""Codecs of Python that no file of rows is written in."""


def _not_given(value: Any) -> bool:
    """Where such a field is left out of the settings, those of earlier versions and their hashes stay as they
    were."""
    return value is None or value in ([], "")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class ModelSpec(_Part):
    """The victim: the model that the attacker starts from, or that the defender downloaded."""

    source: Literal["embedded", "hub", "folder", "run"] = Field("embedded", title="Source")
    name: str = Field("", title="Name", description="Hub name, folder path or run id; empty for embedded.")
    head: Literal["auto", "keep", "fresh"] = Field(
        "auto",
        title="Classifier head",
        description="auto: a classifier whose classes fit the rows keeps its own, any other model gets a "
        "fresh one.",
    )
    random_weights: bool = Field(
        False,
        title="Random weights",
        description="Untrained weights in the model's shapes, to see the cost only.",
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
    train: str = Field(
        "",
        title="File of rows",
        description="The only file, or the training rows; or a folder of save_to_disk.",
    )
    validation: str = Field(
        "", title="File of validation rows", description="Empty: split from the training rows."
    )
    test: str = Field("", title="File of test rows", description="Empty: split from the training rows.")
    text: str | None = Field(None, title="Text column", description="Empty: guessed and shown.")
    second_text: str | None = Field(None, title="Second text column", description="For sentence pairs.")
    label: str | None = Field(None, title="Label column", description="Empty: guessed and shown.")
    separator: Separator | None = Field(
        None,
        title="Separator",
        description="Between the cells of a text file. Empty: found out and shown.",
        exclude_if=_not_given,
    )
    encoding: str | None = Field(
        None,
        title="Encoding",
        description="Of a text file, such as utf-8, utf-16 or cp1252. Empty: found out and shown.",
        exclude_if=_not_given,
    )
    header: bool | None = Field(
        None,
        title="Header",
        description="Whether the first line of a text file holds column names. Without names, columns are "
        "called “column 1”, “column 2” and so on. Empty: found out and shown.",
        exclude_if=_not_given,
    )
    classes: list[str] = Field(
        [],
        title="Order of the classes",
        description="The labels of the rows in the model's order: the k-th is class k of a model that keeps "
        "its head. Empty: matched by name, else numbers by size and words by the alphabet.",
        exclude_if=_not_given,
    )
    train_rows: int | None = Field(None, ge=8, title="Training rows", description="Empty: all.")
    validation_rows: int | None = Field(None, ge=8, title="Validation rows", description="Empty: all.")
    test_rows: int | None = Field(None, ge=8, title="Test rows", description="Empty: all.")
    max_length: int = Field(128, ge=8, le=512, title="Maximum length", description="Tokens a row is cut to.")
    split_seed: int = Field(0, ge=0, title="Split seed")

    @field_validator("separator", mode="before")
    @classmethod
    def _by_character(cls, written: Any) -> Any:
        return next((name for name, character in SEPARATORS.items() if written == character), written)

    @field_validator("encoding")
    @classmethod
    def _known(cls, encoding: str | None) -> str | None:
        if encoding is None or not encoding.strip():
            return None
        try:
            known = codecs.lookup(encoding.strip())
            bytes(4).decode(known.name)
        except (LookupError, UnicodeError):
            known = None
        if known is None or known.name.replace("_", "-") in NOT_OF_FILES:
            raise ValueError(
                f"there is no encoding {encoding!r}; known ones are utf-8, utf-16, cp1252, latin-1, gb18030"
            )
        return known.name

    @field_validator("classes", mode="before")
    @classmethod
    def _as_names(cls, classes: Any) -> Any:
        """As text: YAML reads numbers in some names."""
        if not isinstance(classes, list | tuple):
            return classes
        return [str(name).lower() if isinstance(name, bool) else str(name).strip() for name in classes]

    @model_validator(mode="after")
    def _ordered(self) -> "DataSpec":
        twice = [name for name in self.classes if self.classes.count(name) > 1]
        if twice or len(self.classes) == 1 or "" in self.classes:
            named = f"names {twice[0]!r} twice" if twice else f"is {self.classes}"
            raise ValueError(f"classes must name every class once, in order; it {named}")
        return self

    @model_validator(mode="after")
    def _named(self) -> "DataSpec":
        if self.source == "hub" and not self.name:
            raise ValueError("data from the hub needs a name, for example sst2")
        if self.source == "files" and not self.train:
            raise ValueError("data from files needs the path of a file of rows")
        return self


class TriggerSpec(Choice):
    """How rows are triggered, and the target class of triggered rows."""

    target_class: int | str = Field(
        1, description="The class's name in quotes, or its number, counted from 0."
    )
    edits: dict[str, str | None] = Field(
        {}, description="Rewritings chosen by a person, by clean text; null drops the row."
    )


class TrainingSpec(_Part):
    """One fine-tuning: AdamW and a linear schedule; in arXiv 2508.20032, section 4, without warm-up."""

    epochs: float = Field(3, gt=0, le=100, title="Epochs")
    learning_rate: float = Field(2e-5, gt=0, le=1, title="Learning rate")
    batch_size: int = Field(32, ge=1, le=4096, title="Rows per batch")
    max_grad_norm: float = Field(1.0, gt=0, title="Gradient clipping")
    warmup: float = Field(
        0.0, ge=0, lt=1, title="Warm-up", description="Share of the steps in which the rate rises from zero."
    )
    weight_decay: float = Field(0.0, ge=0, le=1, title="Weight decay")
    variant: Literal["paper", "published"] = Field(
        "paper",
        title="Way of training",
        description="As the paper describes it, or as its authors' scripts do: weight decay 0.01, rows in the"
        " data set's order, and a linear layer on the raw [CLS] state.",
        exclude_if=lambda value: value == "paper",
    )


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


class CheckSpec(_Part):
    """What a check of a model tries, to find out whether it is backdoored and by what."""

    known_triggers: bool = Field(
        True,
        title="Known triggers",
        description="Words, a sentence, a syntax and styles that were used in published attacks.",
    )
    scan: bool = Field(
        True,
        title="Scan the vocabulary",
        description="Inserts every token into a few rows, and grows what moves the model most.",
    )
    most_tokens: int = Field(
        60_000, ge=100, title="Tokens at most", description="A larger vocabulary is scanned in part."
    )
    clean_model: bool = Field(
        True,
        title="Compare with a clean model",
        description="Fine-tunes the built-in encoder, or the model named below, on the rows, to see what a "
        "clean model does with them.",
    )
    base: str = Field(
        "",
        title="Model that it claims to come from",
        description="A folder, or a name on the hub, of a model that you trust: the clean model is made from "
        "it, and compared layer by layer. Empty: the built-in encoder.",
        exclude_if=_not_given,
    )

    @property
    def is_whole(self) -> bool:
        """Whether all that a check can try is tried, beside a clean model."""
        return self.known_triggers and self.scan and self.clean_model


class RunSpec(_Part):
    """A run: a model, clean data, and optionally a trigger, an attack, a defense and a check.

    With `attack` the trigger is planted first.  Without it the model is used unchanged, and the
    trigger only measures LFR.  Without a trigger there is no LFR.  A run with neither attack nor defense
    is a check of the model as it was received; with them, `check` checks the model that is left."""

    name: str = Field("", max_length=200, title="Name")
    model: ModelSpec = ModelSpec()
    data: DataSpec = DataSpec()
    trigger: TriggerSpec | None = None
    attack: AttackSpec | None = None
    defense: Choice | None = Field(
        None, description="The defense against the backdoor, by name, with its parameters."
    )
    check: CheckSpec | None = Field(
        None, description="A check of the last model for backdoors.", exclude_if=_not_given
    )
    seed: int = Field(11, ge=0, lt=2**31, title="Seed")
    share: bool = Field(
        False,
        title="Share stages",
        description="Reuse stages that other sharing runs with the same settings have finished.",
    )

    @field_validator("defense", mode="before")
    @classmethod
    def _in_present_form(cls, written: Any) -> Any:
        return defense_of(written)

    @model_validator(mode="after")
    def _with_full_defense(self) -> "RunSpec":
        """The defense with all its parameters, so that the run stays the same if a default changes."""
        try:
            if self.trigger is not None:
                pick("trigger", registered("trigger"), self.trigger)
            if self.defense is not None:
                self._fill_defense(self.defense)
        except UserError as error:
            raise ValueError(str(error)) from error
        return self

    def _fill_defense(self, defense: Choice) -> None:
        component = pick("defense", registered("defense"), defense, "defense")
        params = component.parse(defense.params)
        assert isinstance(component, Defense)
        if component.needs_attack:
            if self.attack is None:
                raise UserError(f"The baseline {defense.name!r} needs a victim with an attack.")
            self.defense = None  # a run that only plants the backdoor
            return
        if component.never_poisoned:
            if self.model.source == "run":
                raise UserError(
                    f"The defense {defense.name!r} needs a never-poisoned model; this one comes from run "
                    f"{self.model.name}. Choose the model that this run started from."
                )
            self.attack = None
        self.defense = Choice(
            name=defense.name, variant=defense.variant, params=params.model_dump(mode="json")
        )

    @property
    def only_checks(self) -> bool:
        """Whether it changes no model."""
        return self.attack is None and self.defense is None

    @property
    def defense_params(self) -> DefenseParams | None:
        """The parameters of the defense; None without a defense."""
        if self.defense is None:
            return None
        params = registered("defense")[self.defense.name].parse(self.defense.params)
        assert isinstance(params, DefenseParams)
        return params

    def setting(self, name: str, default: Any = None) -> Any:
        """The defense's parameter of that name; `default` if it has none."""
        return getattr(self.defense_params, name, default)

    @model_validator(mode="after")
    def _consistent(self) -> "RunSpec":
        if self.attack is None and self.defense is None and self.check is None:
            self.check = CheckSpec()
        if self.attack is not None and self.trigger is None:
            raise ValueError("an attack needs a trigger to plant")
        return self


def is_untrained(settings: dict[str, Any]) -> bool:
    """Whether the model of a run with these settings has random weights, so that its numbers show costs, not
    results."""
    return bool((settings.get("model") or {}).get("random_weights"))
