"""The built-in studies, each with a quick form for two CPU cores."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backend.base.errors import UserError
from backend.studies.spec import StudySpec, places

Settings = dict[str, Any]

FULL: Settings = {
    "attack": {"training": {"epochs": 3, "learning_rate": 5e-5}},
    "defense": {
        "accuracy_threshold": 0.95,
        "prune_step": 4,
        "fine_tune": {"epochs": 2, "learning_rate": 5e-5},
        "refine": {"epochs": 2, "learning_rate": 5e-5},
    },
}
QUICK: Settings = {
    "data": {"train_rows": 1000, "validation_rows": 200, "test_rows": 300},
    "attack": {"training": {"epochs": 2, "learning_rate": 1e-4}},
    "defense": {
        "accuracy_threshold": 0.95,
        "prune_step": 4,
        "fine_tune": {"epochs": 1, "learning_rate": 5e-5},
        "refine": {"epochs": 1, "learning_rate": 5e-5},
        "curve_rows": 100,
    },
}
SEEDS = [11, 12, 13]
PAPER_STRATEGIES = {
    "Gradient": "gradient",
    "Layer-wise variance": "layer-variance",
    "Sparsification": "sparsification",
    "Random ensemble": "ensemble",
    "Reinforcement": "reinforcement",
    "Bayesian": "bayesian",
}


def victim(name: str, poison_rate: float, **params: Any) -> Settings:
    """Settings of a victim: a trigger planted at that rate."""
    return {"trigger": {"name": name, "params": params}, "attack": {"poison_rate": poison_rate}}


RARE = victim("rare-words", 0.3)
SYNTACTIC = victim("syntactic", 0.3)
BIBLE = victim("style", 0.2, style="bible")
TRIGGERS = {"Rare words": RARE, "Syntactic": SYNTACTIC, "Bible style": BIBLE}
STRATEGIES: dict[str, Settings] = {title: {"strategy": name} for title, name in PAPER_STRATEGIES.items()}
PUBLISHED: dict[str, Settings] = {
    f"{title} (published)": {"strategy": name, "variant": "published"}
    for title, name in PAPER_STRATEGIES.items()
}
HYBRIDS: dict[str, Settings] = {
    "Gradient + RL": {"strategy": "hybrid"},
    "Gradient + Bayesian, learned": {
        "strategy": "hybrid",
        "params": {"strategies": ["gradient", "bayesian"], "learned": True},
    },
}
REFERENCE: dict[str, Settings] = {"Never poisoned": {"baseline": "reference"}}
FT: dict[str, Settings] = {"FT": {"baseline": "ft"}}
SECOND: dict[str, Settings] = {"Second fine-tuning alone": {"baseline": "second-fine-tuning"}}
BESIDE = REFERENCE | FT | SECOND
"""Compared with every strategy: the floor, and what each of the two fine-tunings does without pruning."""
BASELINES: dict[str, Settings] = {
    **REFERENCE,
    "No defense": {"baseline": "no-defense"},
    **FT,
    "FTH": {"baseline": "fth"},
    "MEFT": {"baseline": "meft"},
    "PURE": {"baseline": "pure"},
    "ONION": {"baseline": "onion"},
}
CONTROLS: dict[str, Settings] = {
    **SECOND,
    "Random order": {"strategy": "random"},
    "As many random": {"strategy": "as-many-random"},
    "Bottom-up": {"strategy": "by-layer"},
    "Bottom half": {"strategy": "by-layer", "params": {"share": 0.5, "checked": False}},
    "Top half": {"strategy": "by-layer", "params": {"first": "top", "share": 0.5, "checked": False}},
}


@dataclass(frozen=True)
class BuiltIn:
    """A built-in study: its name, its question, and its grid, full or quick."""

    name: str
    question: str
    grid: Callable[[bool], Settings]

    def study(self, quick: bool = False) -> StudySpec:
        settings = {"base": QUICK if quick else FULL, "seeds": [11] if quick else SEEDS} | self.grid(quick)
        name = f"{self.name} (quick)" if quick else self.name
        return StudySpec.model_validate({"name": name, "question": self.question} | settings)


def _replication(quick: bool) -> Settings:
    if not quick:
        return {"victims": TRIGGERS, "defenses": BASELINES | CONTROLS | STRATEGIES | PUBLISHED | HYBRIDS}
    return {
        "victims": {"Rare words": RARE, "Bible style": BIBLE},
        "defenses": BESIDE | {"PURE": BASELINES["PURE"]} | STRATEGIES,
    }


def _threshold(quick: bool) -> Settings:
    absolute = {
        f"τ = {tau:.2f}": {"strategy": "gradient", "threshold_kind": "absolute", "accuracy_threshold": tau}
        for tau in (0.80, 0.85, 0.90, 0.95)
    }
    relative = {
        f"τ = {tau:.0%} of own": {"strategy": "gradient", "accuracy_threshold": tau}
        for tau in (0.90, 0.95, 0.98)
    }
    return {"victims": {"Syntactic": SYNTACTIC}, "defenses": BESIDE | absolute | relative}


def _step_size(quick: bool) -> Settings:
    defenses = {f"s = {s}": {"strategy": "gradient", "prune_step": s} for s in (1, 2, 5, 10)}
    return {"victims": {"Syntactic": SYNTACTIC}, "defenses": BESIDE | defenses}


def _cross_trigger(quick: bool) -> Settings:
    few = {"Rare words": RARE, "Syntactic": SYNTACTIC}
    victims = few if quick else TRIGGERS | {"Fixed sentence": victim("sentence", 0.3)}
    return {"victims": victims, "defenses": BESIDE | STRATEGIES}


def _cross_task(quick: bool) -> Settings:
    tasks: dict[str, Settings] = {
        "Movie reviews": {},
        "Kind of text": {"data": {"source": "embedded", "name": "kind-of-text"}},
    }
    if not quick:
        for name, title in (("ag_news", "AG News"), ("cola", "CoLA"), ("mrpc", "MRPC"), ("rte", "RTE")):
            tasks[title] = {"data": {"source": "hub", "name": name}}
    victims: dict[str, Settings] = {title: RARE | settings for title, settings in tasks.items()}
    kinds: dict[str, Settings] = {
        "τ = 0.85": {"threshold_kind": "absolute", "accuracy_threshold": 0.85},
        "τ = 95% of own": {"accuracy_threshold": 0.95},
    }
    defenses = {
        f"{strategy}, {kind}": STRATEGIES[strategy] | settings
        for strategy in ("Gradient", "Reinforcement")
        for kind, settings in kinds.items()
    }
    return {"victims": victims, "defenses": BESIDE | defenses}


def _mixed(quick: bool) -> Settings:
    both = victim("mixed", 0.3, triggers=["syntactic", "style"])
    single = {name: STRATEGIES[name] for name in ("Gradient", "Reinforcement")}
    return {
        "victims": {"Syntactic and Bible style": both},
        "defenses": BESIDE | single | {"Gradient + RL": HYBRIDS["Gradient + RL"]},
    }


def _poison_rate(quick: bool) -> Settings:
    rates = (0.05, 0.3) if quick else (0.01, 0.05, 0.1, 0.3, 0.5)
    victims = {f"{rate:.0%} poisoned": victim("rare-words", rate) for rate in rates}
    return {
        "victims": victims,
        "defenses": BESIDE | {"Gradient": STRATEGIES["Gradient"]},
    }


def _defender_data(quick: bool) -> Settings:
    sizes = {f"{n:,} rows": {"train_rows": n} for n in ((100, 500) if quick else (100, 500, 2000))}
    each = FT | SECOND | {"Gradient": STRATEGIES["Gradient"]}
    defenses = {
        f"{title}, {size}": defense | rows
        for size, rows in (sizes | {"all rows": {}}).items()
        for title, defense in each.items()
    }
    return {"victims": {"Rare words": RARE}, "defenses": REFERENCE | defenses}


def _seeds(quick: bool) -> Settings:
    stochastic = {name: STRATEGIES[name] for name in ("Random ensemble", "Reinforcement", "Bayesian")}
    return {
        "victims": {"Rare words": RARE},
        "defenses": BESIDE | stochastic,
        "seeds": [11, 12, 13] if quick else [11, 12, 13, 14, 15],
    }


STUDIES = {
    study.name: study
    for study in (
        BuiltIn(
            "replication",
            "Does the paper's table hold: which method removes which trigger?",
            _replication,
        ),
        BuiltIn(
            "threshold",
            "How low may accuracy fall, and what does that buy?",
            _threshold,
        ),
        BuiltIn("step size", "How many heads should go at a time?", _step_size),
        BuiltIn("cross-trigger", "Does the best strategy depend on the trigger?", _cross_trigger),
        BuiltIn(
            "cross-task",
            "Do settings tuned on one task, τ above all, serve on others? The quick form has two tasks that "
            "need no hub: whether a film review is positive, and whether a text is of a film review, a "
            "product review, an editorial or a tweet. The full one adds AG News, CoLA, MRPC and RTE from the "
            "hub.",
            _cross_task,
        ),
        BuiltIn("mixed", "What if two triggers were planted at once, and does a hybrid help?", _mixed),
        BuiltIn("poison rate", "Is a backdoor planted with less poison easier to remove?", _poison_rate),
        BuiltIn("defender data", "How much clean data does a defender need?", _defender_data),
        BuiltIn("seeds", "How much do the stochastic strategies vary from seed to seed?", _seeds),
    )
}


def listed() -> list[dict[str, Any]]:
    """Name, question and number of runs of each built-in study."""
    return [
        {
            "name": name.replace(" ", "-"),
            "question": study.question,
            "runs": len(places(study.study())),
            "quick_runs": len(places(study.study(quick=True))),
        }
        for name, study in STUDIES.items()
    ]


def built_in(name: str, quick: bool = False) -> StudySpec:
    """A built-in study; raises UserError if there is none of that name."""
    names = {study.replace(" ", "-"): study for study in STUDIES}
    wanted = names.get(name.strip().lower().replace(" ", "-").replace("_", "-"))
    if wanted is None:
        raise UserError(
            f"There is no study {name!r}. Give the path of a YAML file, or one of: {', '.join(names)}."
        )
    return STUDIES[wanted].study(quick)
