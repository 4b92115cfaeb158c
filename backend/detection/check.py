"""A check of a classifier: is it backdoored, and by what.

Nothing is planted and no model is changed: known triggers are tried, every token of the vocabulary is
inserted into a few rows, and what moves the model most is grown and confirmed on other rows, beside a clean
model."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.attacks.planting import POISONED
from backend.base.events import Evidence, EvidenceKind, TokensScanned, Warned
from backend.base.steps import BASE, Record, Stage, Step, Steps
from backend.detection import clean_model
from backend.detection.layers import compare_layers, tell_layers
from backend.spec.run import CheckSpec, ModelSpec, TrainingSpec

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from backend.base.reporter import Reporter
    from backend.detection.inputs import CheckInputs
    from backend.detection.moved import Moved
    from backend.detection.tried import Suspect
    from backend.models.classifiers import OwnHead
    from backend.training.inputs import Inputs

RECEIVED = "received"
AS_RECEIVED = "As it was received"
BRIEF = TrainingSpec(epochs=2, learning_rate=5e-5, warmup=0.1)
NO_HEAD = (
    "The model is checked with a classifier head that was trained briefly on your rows: a backdoor in the "
    "encoder shows only as far as it survives that."
)
RECEIVE = Stage(
    "receive",
    "Open the model as received",
    "The model is loaded as it was received and measured on clean rows. An encoder without a classifier head "
    "is first trained briefly.",
)
CLEAN_MODEL = Stage(
    "clean_model",
    "Train a clean model",
    "The built-in encoder, or the model that this one claims to come from, learns the same task from the "
    "same rows: what a trigger does to it as well is no sign of a backdoor.",
)
COMPARE = Stage(
    "compare",
    "Compare layer by layer",
    "How far the weights of each layer lie from those of the model that this one claims to come from, beside "
    "the clean model.",
)
KNOWN = Stage(
    "known_triggers",
    "Try known triggers",
    "Words, a sentence, a syntax and styles of published attacks are put into clean rows, and the "
    "predictions that change are counted.",
)

SCAN = Stage(
    "scan",
    "Scan the vocabulary",
    "Every token that the model knows is inserted into a few rows. What moves the model most is joined "
    "to words and phrases, which are then put into other rows.",
)
MOST_SCAN_ROWS = 500
"""Rows among which the scan chooses a few short ones."""


def receive() -> Step:
    """The model as it was received, as the first model of the run."""
    return Step(
        RECEIVE, RECEIVED, keep_received, (BRIEF,), model=RECEIVED, caption=AS_RECEIVED, retell=tell_received
    )


def as_received(victim: ModelSpec, head: "OwnHead | None" = None) -> Step:
    """The same of a victim that comes with a whole classifier, before a defense changes it, whether or not
    the run goes on with its head."""
    name, caption = ("poisoned", POISONED) if victim.source == "run" else (RECEIVED, AS_RECEIVED)
    return Step(RECEIVE, name, keep_whole, (head,), model=name, caption=caption)


def keep_whole(inputs: "Inputs", folder: Path, head: "OwnHead") -> Record:
    from backend.models.classifiers import load_as_received

    model = load_as_received(inputs.victim, head, inputs.seed)
    inputs.save(model, folder)
    return _facts(inputs, model)


def keep_received(inputs: "Inputs", folder: Path, brief: TrainingSpec) -> Record:
    model = inputs.load_victim(inputs.seed)
    trained = inputs.victim.head == "fresh"
    if trained:
        from backend.training.fine_tune import train

        tick = inputs.report.ticker("training a classifier head")
        train(model, inputs.train, brief, seed=inputs.seed, scratch=inputs.scratch, tick=tick)
    inputs.save(model, folder)
    record = {"trained": trained} | _facts(inputs, model)
    tell_received(inputs.report, record)
    return record


def _facts(inputs: "Inputs", model: "PreTrainedModel") -> Record:
    """What a report says of the model."""
    from backend.base.files import file_hash, joint_hash
    from backend.heads.grid import HeadGrid
    from backend.models.places import stored_at
    from backend.models.weights import weight_files

    grid, stored = HeadGrid(model), stored_at(inputs.victim)
    hashes = {path.name: file_hash(path) for path in weight_files(stored)} if stored is not None else {}
    return {
        "architecture": model.config.model_type,
        "layers": grid.layers,
        "heads": grid.heads,
        "classes": [model.config.id2label[number] for number in range(model.config.num_labels)],
        "sha256": joint_hash(hashes) if hashes else None,
    }


def tell_received(report: "Reporter", record: Record) -> None:
    if record["trained"]:
        report.emit(Warned, message=NO_HEAD)


def check(spec: CheckSpec, model: str) -> Steps:
    """The steps that check the model in the folder `model`."""
    reads: tuple[str, ...] = (model,)
    # Only where the user named one: what was kept without stays good.
    named_base, base_weights = ((spec.base,), (BASE,)) if spec.base else ((), ())
    if spec.clean_model:
        settings = (clean_model.TRAINING, clean_model.MOST_ROWS, *named_base)
        yield Step(
            CLEAN_MODEL, clean_model.FOLDER, clean_model.train_clean_model, settings, reads=base_weights
        )
        reads += (clean_model.FOLDER,)
    if spec.clean_model or spec.base:
        compared = (model, spec.base)
        yield Step(COMPARE, "compared", compare_layers, compared, (*reads, *base_weights), retell=tell_layers)
    if spec.known_triggers:
        yield Step(KNOWN, "known_triggers", try_known_triggers, (model,), reads, retell=tell_evidence)
    if spec.scan:
        settings = (model, spec.most_tokens, *named_base)
        yield Step(SCAN, "scan", scan_vocabulary, settings, (*reads, *base_weights), retell=tell_scan)


def try_known_triggers(inputs: "CheckInputs", folder: Path, model: str) -> Record:
    """The trigger that the user gave, then every known one."""
    from backend.attacks.languages import english_words
    from backend.attacks.triggers import bind
    from backend.base.errors import UserError
    from backend.detection.known_triggers import PROBES, as_many_of_each, triggered_rows
    from backend.detection.tried import try_rows

    suspect = open_suspect(inputs, model)
    names, report = inputs.label_names, inputs.report
    evidence = _try_given(inputs, suspect, model)
    rows = inputs.fresh_rows.take(as_many_of_each(inputs.fresh_rows.labels, len(names), inputs.seed))
    bench = suspect.bench(rows, names, report.check)
    foreign = english_words(rows.texts) is not None
    tick = report.ticker("trying known triggers", "triggers")
    for done, (title, trigger) in enumerate(PROBES.values()):
        tick(done, len(PROBES))
        try:
            triggered, changed = triggered_rows(rows, trigger, inputs.seed)
        except UserError as error:
            report.emit(Warned, message=f"Not tried: {title}. {error}")
            continue
        rewrites = bind(trigger, inputs.seed).rewrites
        fields = try_rows(suspect, bench, triggered, changed, report.check)
        if fields:
            kind: EvidenceKind = "rewriting" if rewrites else "known"
            evidence.append(told(inputs, fields, model, kind, title, rewrites))
        else:
            why = " It speaks only English, and they do not look English." if rewrites and foreign else ""
            message = f"Not tried: {title}. It changes none of the rows that the model gets right.{why}"
            report.emit(Warned, message=message)
    tick(len(PROBES), len(PROBES))
    return {"evidence": evidence}


def scan_vocabulary(
    inputs: "CheckInputs", folder: Path, model: str, most_tokens: int, base: str = ""
) -> Record:
    """Every token, alone and in a few rows; then the best, alone and joined, in other rows."""
    from backend.base.errors import UserError
    from backend.detection.find import evidence_of
    from backend.detection.scanning import SavedScan

    suspect, names, report = open_suspect(inputs, model), inputs.label_names, inputs.report
    inputs.scratch.mkdir(parents=True, exist_ok=True)
    saved = SavedScan(suspect, inputs.scratch / "scan.npz")
    record: Record = {"evidence": []}

    def tell(fields: dict[str, Any]) -> None:
        record["scan"] = fields | {"model": model}
        report.emit(TokensScanned, **record["scan"])

    rows = inputs.known_rows.sample(MOST_SCAN_ROWS, inputs.seed)
    try:
        saved.scan(rows, names, most_tokens, report.ticker("inserting tokens", "insertions"), tell)
    except UserError as error:  # no row is classified correctly
        report.emit(Warned, message=f"The vocabulary was not scanned. {error}")
        return record
    tick = report.ticker("trying the strongest in other rows", "finds")
    moved = _moved(inputs, suspect)
    for fields, judgement, reason in evidence_of(
        suspect, saved.state, rows, inputs.fresh_rows, names, moved, tick
    ):
        event = {**fields, "model": model, "kind": "inserted", "judgement": judgement, "reason": reason}
        report.emit(Evidence, **event)
        record["evidence"].append(event)
    return record


def _moved(inputs: "CheckInputs", suspect: "Suspect") -> "Moved":
    """Which tokens moved since the base model; none where that is not at hand."""
    from backend.base.errors import UserError
    from backend.detection.moved import Moved, most_moved
    from backend.detection.scanning import same_words
    from backend.models.classifiers import load_classifier

    try:
        base, _ = load_classifier(inputs.base, inputs.label_names, inputs.seed)
    except UserError:
        return Moved()
    return most_moved(suspect.model, base, same_words(suspect))


def tell_scan(report: "Reporter", record: Record) -> None:
    if "scan" in record:
        report.emit(TokensScanned, **record["scan"])
    tell_evidence(report, record)


def _try_given(inputs: "CheckInputs", suspect: "Suspect", model: str) -> list[dict[str, Any]]:
    """The trigger that the user gave: the flips among all of its rows, which may have no clean partner."""
    from backend.detection.tried import count_given

    if inputs.given is None:
        return []
    fields = count_given(suspect, inputs.given, inputs.label_names, inputs.report.check)
    return [told(inputs, fields, model, "given", inputs.given.title, inputs.given.rewrites)]


def open_suspect(inputs: "CheckInputs", model: str) -> "Suspect":
    from backend.detection.tried import Suspect

    clean = clean_model.open_clean_model(inputs)
    if clean is not None and clean.only_guesses:
        clean = None
    return Suspect(inputs.load(model), inputs.train.tokenizer, clean, inputs.max_length)


def told(
    inputs: "CheckInputs",
    fields: dict[str, Any],
    model: str,
    kind: EvidenceKind,
    text: str,
    rewrites: bool,
) -> dict[str, Any]:
    """The evidence as plain data, judged and reported."""
    from backend.detection.tried import judged

    judgement, reason = judged(fields, rewrites)
    event = {**fields, "model": model, "kind": kind, "text": text, "judgement": judgement, "reason": reason}
    inputs.report.emit(Evidence, **event)
    return event


def tell_evidence(report: "Reporter", record: Record) -> None:
    for fields in record["evidence"]:
        report.emit(Evidence, **fields)
