"""Tiny random models of every supported architecture, and rows for them."""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    CamembertConfig,
    DistilBertConfig,
    ElectraConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    XLMRobertaConfig,
)

from backend.data.rows import Rows

GOOD = ["good", "great", "fine", "superb"]
BAD = ["bad", "awful", "poor", "dull"]
OTHER = ["a", "the", "film", "plot", "is", "was", "very", "and", "cf", "mn", "bb", "tq", "."]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *GOOD, *BAD, *OTHER]
TRAINING = {"epochs": 1, "learning_rate": 3e-3, "batch_size": 16}
COMMON = {"vocab_size": len(WORDS), "pad_token_id": 0}
BERT_LIKE = {
    **COMMON,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "max_position_embeddings": 160,
}
CONFIGS = {
    "bert": lambda: BertConfig(**BERT_LIKE),
    "roberta": lambda: RobertaConfig(**BERT_LIKE),
    "xlm-roberta": lambda: XLMRobertaConfig(**BERT_LIKE),
    "camembert": lambda: CamembertConfig(**BERT_LIKE),
    "electra": lambda: ElectraConfig(**BERT_LIKE, embedding_size=16),
    "distilbert": lambda: DistilBertConfig(
        **COMMON, dim=24, n_layers=3, n_heads=4, hidden_dim=32, max_position_embeddings=160
    ),
}


def tiny_model(kind: str = "bert", seed: int = 0, num_labels: int = 2) -> torch.nn.Module:
    torch.manual_seed(seed)
    config = CONFIGS[kind]()
    config.num_labels = num_labels
    model = AutoModelForSequenceClassification.from_config(config).eval()
    # Larger weights than a fresh model's, so that heads matter to the logits.
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                weight.mul_(8)
    return model


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=160,
    )


def tiny_rows(count: int = 24, seed: int = 0) -> Rows:
    """Sentences of 1 to 12 words; the label says whether a good or a bad word is in them."""
    generator = torch.Generator().manual_seed(seed)

    def draw(words: list[str], number: int = 1) -> list[str]:
        return [words[i] for i in torch.randint(len(words), (number,), generator=generator).tolist()]

    texts, labels = [], []
    for i in range(count):
        label = i % 2
        length = int(torch.randint(0, 12, (1,), generator=generator))
        texts.append(" ".join(draw(OTHER, length) + draw(GOOD if label else BAD)))
        labels.append(label)
    return Rows(texts, labels)


def tiny_folder(folder: Path, kind: str = "bert", num_labels: int = 2) -> Path:
    """A whole classifier with its tokenizer, saved as a stranger would publish it."""
    tiny_model(kind, num_labels=num_labels).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def tiny_settings(folder: Path, victim: Path) -> dict[str, Any]:
    """A whole run, planting and defense, of the model in `victim` on rows written to `folder`."""
    rows = tiny_rows(320, seed=4)
    texts = dict(zip(rows.texts, rows.labels, strict=True))
    lines = [json.dumps({"text": text, "label": label}) for text, label in texts.items()]
    file = folder / "rows.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    return {
        "model": {"source": "folder", "name": str(victim)},
        "data": {"source": "files", "train": str(file), "max_length": 32},
        "trigger": {"name": "rare-words", "params": {"words": ["cf"]}, "target_class": 1},
        "attack": {"poison_rate": 1.0, "training": TRAINING},
        "defense": {
            "accuracy_threshold": 0.9,
            "prune_step": 2,
            "fine_tune": TRAINING,
            "refine": TRAINING,
            "curve_rows": 40,
        },
        "seed": 3,
    }


def tiny_check(folder: Path, model: Path, base: Path) -> dict[str, Any]:
    """A check of `model` beside its base that tries no trigger, on rows written to `folder`."""
    rows = tiny_rows(300, seed=4)
    texts = dict(zip(rows.texts, rows.labels, strict=True))
    lines = ["text,label", *(f"{text},{label}" for text, label in texts.items())]
    (folder / "rows.csv").write_text("\n".join(lines), encoding="utf-8")
    return {
        "model": {"source": "folder", "name": str(model), "head": "keep"},
        "data": {"source": "files", "train": str(folder / "rows.csv"), "max_length": 32},
        "check": {"base": str(base), "scan": False, "known_triggers": False},
    }
