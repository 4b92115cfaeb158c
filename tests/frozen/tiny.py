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

SETS: list[tuple[str, list[str]]] = [
    ("whole", [change])
    for change in (
        *("name=Other", "seed=12", "share=false"),
        *("model.source=hub", "model.name=/else/where", "model.head=fresh", "model.random_weights=true"),
        *(
            "data.train=else.csv",
            "data.validation=v.csv",
            "data.test=t.csv",
            "data.text=body",
            "data.label=y",
        ),
        *("data.second_text=null", "data.train_rows=null", "data.validation_rows=9", "data.test_rows=10"),
        *("data.max_length=32", "data.split_seed=1"),
        *("trigger.target_class=0", "trigger.target_class=negative", "trigger.params={sentence: he}"),
        *("trigger.params.sentence=she", "trigger.params.position=start", "trigger.edits={}"),
        *("trigger.edits={a film: null}", "attack.poison_rate=0.4", "attack.planting=last-layer"),
        *("attack.training.epochs=1", "attack.training.learning_rate=0.001", "attack.training.batch_size=2"),
        *("attack.training.max_grad_norm=3", "attack=null"),
        *("defense.strategy.variant=paper", "defense.strategy.variant=null", "defense.strategy.params={}"),
        *("defense.strategy.params.passes=3", "defense.strategy.params.spread=sample"),
        *("defense.strategy={name: random}", "defense.strategy={name: none}", "defense.train_rows=null"),
        *("defense.train_rows=64", "defense.threshold_kind=relative", "defense.accuracy_threshold=0.99"),
        *("defense.prune_step=2", "defense.curve_rows=20"),
        *("defense.entropy.epochs=1", "defense.entropy.learning_rate=0.001", "defense.entropy.batch_size=2"),
        *("defense.entropy.max_grad_norm=3", "defense.entropy=null"),
        *("defense.fine_tune.epochs=2", "defense.fine_tune.learning_rate=0.001"),
        *("defense.fine_tune.batch_size=2", "defense.fine_tune.max_grad_norm=3"),
        *("defense.refine.epochs=1", "defense.refine.learning_rate=0.001", "defense.refine.batch_size=2"),
        *("defense.refine.max_grad_norm=3", "defense.refine=null"),
        *("defense.refine_from=downloaded", "defense.regulariser=none"),
        *("defense.regulariser=attention-normalisation", "defense.regulariser_weight=0.5"),
        *("defense.onion.share=0.2", "defense.onion.rows=64", "defense.onion=null", "defense=null"),
    )
]
SETS += [
    ("whole", ["data.source=embedded", "data.name=kind-of-text"]),
    ("whole", ["trigger.name=rare-words", "trigger.params={}", "trigger.params.words=[zx, qq]"]),
    ("whole", ["trigger.name=syntactic", "trigger.variant=published", "trigger.params={}"]),
    ("whole", ["trigger=null", "attack=null"]),
    ("whole", ["defense.strategy.name=gradient", "defense.strategy.params={}"]),
    ("whole", ["defense.strategy.name=none", "defense.strategy.variant=null", "defense.strategy.params={}"]),
    ("demo", ["defense.entropy.epochs=2"]),  # a part that was not there
    ("demo", ["defense.onion.rows=50"]),
    ("demo", ["defense.strategy.name=sparsification", "defense.strategy.params.l1=0.001"]),
    ("demo", ["defense.strategy.name=none", "defense.refine=null"]),
    ("demo", ["defense.refine=null"]),
    ("demo", ["defense.prune_step=2", "seed=7", "data.train_rows=64"]),
    ("smoke", ["attack=null", "model.source=run", "model.name=1a2b3c4d"]),
    ("blind", ["defense.strategy.name=layer-variance", "trigger.name=rare-words"]),
    ("blind", ["defense.refine_from=pruned", "defense.threshold_kind=absolute"]),
    ("only-attack", ["defense.prune_step=1"]),
    ("readme", ["defense.strategy.params.passes=20", "trigger.params.words=[cf]"]),
]
"""What is given to `--set`, and for which of the YAML files."""

FEW: dict[str, dict[str, Any]] = {
    "bayesian": {"passes": 3},
    "ensemble": {"draws": 20},
    "reinforcement": {"episodes": 3, "steps": 4},
    "hybrid": {"strategies": ["gradient", "variance"], "learned": True, "sets": 20},
}
"""Parameters of strategies that make a run short."""

REWRITERS: list[list[str]] = [
    ["--trigger", "rare-words"],
    ["--trigger", "rare-words", "--seed", "12", "--param", "count=2", "--param", "words=[zx, qq, vv]"],
    ["--trigger", "sentence"],
    ["--trigger", "sentence", "--param", "position=end", "--param", "sentence=no cross, no crown"],
    ["--trigger", "syntactic"],
    *(
        ["--trigger", "style", "--param", f"style={style}"]
        for style in ("bible", "shakespeare", "twitter", "lyrics", "poetry")
    ),
    ["--trigger", "mixed", "--param", "triggers=[syntactic, style]"],
]
