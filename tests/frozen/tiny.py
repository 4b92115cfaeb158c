"""Settings of runs of the frozen tiny victim, as this shape of a specification writes them."""

from typing import Any

PLANTING = {"epochs": 8, "learning_rate": 5e-3, "batch_size": 16}
TRAINING = {"epochs": 1, "learning_rate": 5e-3, "batch_size": 16}
SETTINGS: dict[str, Any] = {
    "model": {"source": "folder", "name": "victim"},
    "data": {"source": "files", "train": "rows.jsonl", "max_length": 32},
    "trigger": {"name": "rare-words", "params": {"words": ["cf"]}, "target_class": 1},
    "attack": {"poison_rate": 0.5, "training": PLANTING},
    "defense": {
        "accuracy_threshold": 0.9,
        "prune_step": 2,
        "fine_tune": TRAINING,
        "refine": TRAINING,
        "curve_rows": 40,
    },
    "seed": 3,
}
"""A whole run, planting and defense; its paths are relative to the state folder."""

STUDY: dict[str, Any] = {
    "name": "Frozen study",
    "question": "Does it open?",
    "base": {name: SETTINGS[name] for name in ("model", "data", "defense")}
    | {"attack": {"training": PLANTING}},
    "victims": {
        "Rare words": {"trigger": SETTINGS["trigger"], "attack": {"poison_rate": 0.5}},
        "A sentence": {
            "trigger": {"name": "sentence", "params": {"sentence": "bb tq"}, "target_class": 1},
            "attack": {"poison_rate": 0.5},
        },
    },
    "defenses": {
        "FT": {"baseline": "ft"},
        "gradient": {"strategy": "gradient", "variant": "published"},
    },
    "seeds": [3],
}
"""Two victims, two defenses; of the second victim only FT was carried out."""
