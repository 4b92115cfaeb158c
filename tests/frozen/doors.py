"""All that the frozen tests know of the program: where something moves, its import changes here alone."""

import contextlib
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import load_file

from backend import defenses, strategies
from backend.attacks import triggers
from backend.base.paths import run_folder
from backend.cli import main as cli
from backend.engine import run as pipeline
from backend.runs import progress
from backend.runs.store import Store, open_store
from backend.spec import overrides as settings
from backend.spec import parse as spec
from backend.spec import presets
from backend.spec.run import RunSpec
from backend.studies import spec as study_spec
from backend.studies.built_in import STUDIES
from backend.studies.built_in import built_in as built_in_study
from benchmarks import replication_study

FROZEN = Path(__file__).parent
HOME = "{HOME}"
"""Stands for the state folder wherever a frozen file names it."""

HERE = "{HERE}"
"""Stands for the working directory."""


def excise(*args: object) -> tuple[int, str, str]:
    """The command line in this process: exit status, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    status: object = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main([str(arg) for arg in args])
        except SystemExit as ended:
            status = ended.code or 0
    return int(str(status)), out.getvalue(), err.getvalue()


def listed(*args: object) -> Any:
    """What a command prints with `--json`."""
    status, out, err = excise(*args, "--json")
    assert status == 0, err
    return json.loads(out)


def work_off(timeout: float = 600) -> str:
    """A worker of its own carries out all that is queued or was left; gives back what it says."""
    command = [sys.executable, "-m", "backend", "worker", "--idle-exit", "0"]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    root = FROZEN.parents[1]
    done = subprocess.run(command, cwd=root, env=one_thread, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def rewritten(file: Path, asked: list[str]) -> list[str | None]:
    """What `rewrite` makes of each line of a file."""
    status, out, err = excise("rewrite", "--file", file, "--json", *asked)
    assert status == 0, err
    return [json.loads(line)["rewritten"] for line in out.splitlines()]


def store() -> Store:
    return open_store()


def parse(plain: Any) -> RunSpec:
    return spec.parse(plain)


def load(path: Path) -> RunSpec:
    return spec.load(path)


def dump(parsed: RunSpec) -> dict[str, Any]:
    return parsed.model_dump(mode="json")


def changed(parsed: RunSpec, *changes: str) -> RunSpec:
    """As `--set`."""
    return settings.changed(parsed, changes)


def preset_specs() -> dict[str, RunSpec]:
    """Each preset, and each with random weights; not by `preset()`, which looks for the hub and a GPU."""
    plain = dict(presets.PRESETS)
    return plain | {f"{name} --random-weights": presets.preset(name, True) for name in plain}


def cells_of_study(plain: dict[str, Any]) -> list[study_spec.Cell]:
    return study_spec.cells(study_spec.parse_study(plain))


def cells_built_in() -> list[tuple[list[Any], RunSpec]]:
    """Every run of every built-in study, in full and quick."""
    return [
        ([name, quick, *cell.place], cell.spec)
        for name in STUDIES
        for quick in (False, True)
        for cell in study_spec.cells(built_in_study(name, quick))
    ]


def study_ids() -> dict[str, str]:
    """By which a built-in study that was started is found again."""
    return {
        f"{name}{' --quick' * quick}": study_spec.study_id(built_in_study(name, quick))
        for name in STUDIES
        for quick in (False, True)
    }


def cells_of_the_replication() -> list[tuple[list[Any], dict[str, Any]]]:
    """Its 385 cells, their files below `SHARED`."""
    whole = study_spec.cells(replication_study.study(replication_study.SEEDS))
    return [([*cell.place], replication_study.settings_of(cell)) for cell in replication_study.planned(whole)]


def defended(parsed: RunSpec, name: str, **params: Any) -> RunSpec:
    """The run with a baseline for its defense, which takes over the settings that it has in common."""
    fields = defenses.COMPONENTS[name].params.model_fields
    taken = dump(parsed)["defense"]["params"] if parsed.defense is not None else {}
    params = {key: value for key, value in taken.items() if key in fields} | params
    return parse(dump(parsed) | {"defense": {"name": name, "params": params}})


def prunes(parsed: RunSpec) -> bool:
    """Whether its defense searches for heads to take away."""
    return any(stage.name == "prune" for stage in progress.stages_of(parsed))


def events(parsed: RunSpec, run: str) -> list[Any]:
    """Of a run carried out here, in order."""
    return list(pipeline.run(parsed, run_folder(run), run=run))


def found(parsed: RunSpec, run: str) -> dict[str, Any]:
    """All that a run finds, carried out here: the numbers of each model, scores, steps and heads."""
    said = [event.model_dump(mode="json") for event in events(parsed, run)]
    names = (
        "step",
        "pruned",
        "restored",
        "pruned_total",
        "tried_val_acc",
        "val_acc",
        "acc",
        "lfr",
        "threshold",
    )
    end = said[-1]
    scored = [event for event in said if event["type"] == "head_scores"]
    return {
        "state": end["state"],
        "failed": end["error"] is not None,
        "metrics": end["metrics"],
        # Rates of so few rows stay as they are when training goes another way: the weights do not.
        # Of a model that is measured as it was received, the run has no copy.
        "weights": [
            [name, _weight(run_folder(run) / name)]
            for name in end["metrics"]
            if (run_folder(run) / name).is_dir()
        ],
        "pruned_heads": end["pruned_heads"],
        "scores": [event["scores"] for event in scored],
        "order": [event["order"] for event in scored],
        "steps": [{name: event[name] for name in names} for event in said if event["type"] == "pruning_step"],
    }


def _weight(folder: Path) -> float:
    """The sum of the weights of a model, each by its size."""
    weights = [one for file in folder.glob("*.safetensors") for one in load_file(file).values()]
    return float(sum(np.abs(one.astype(np.float64)).sum() for one in weights))


def described() -> dict[str, dict[str, list[str]]]:
    """Names and variants of what there is."""
    kinds = {
        "strategy": strategies.COMPONENTS,
        "baseline": defenses.COMPONENTS,
        "trigger": triggers.COMPONENTS,
    }
    return {
        kind: {name: list(component.variants) for name, component in components.items()}
        for kind, components in kinds.items()
    }


def meaning(parsed: RunSpec) -> dict[str, Any]:
    """What a specification asks to be done, whatever shape it is written in: names with their variant and
    all parameters, and of the rest what has an effect.

    A later shape of RunSpec must give the same meanings for what is frozen: change this function with it,
    never the files."""
    plain = _without_later(dump(parsed))
    asked = {part: plain[part] for part in ("name", "model", "data", "attack", "seed", "share")}
    # Who did not say had a fresh head once; a whole classifier, of which a specification alone knows nothing,
    # now keeps its own.
    asked["model"] = {**plain["model"], "head": plain["model"]["head"].replace("auto", "fresh")}
    asked["trigger"] = parsed.trigger and {
        **_whole(triggers.COMPONENTS, parsed.trigger),
        "target_class": parsed.trigger.target_class,
        "edits": parsed.trigger.edits,
    }
    asked["defense"] = _meaning_of_defense(parsed)
    return asked


LATER = {"warmup": 0, "weight_decay": 0, "accuracy": "plain"}
"""Settings that came later, with the values that ask for what was done before."""


def _without_later(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    return {name: _without_later(value) for name, value in part.items() if LATER.get(name, ...) != value}


def _meaning_of_defense(parsed: RunSpec) -> dict[str, Any] | None:
    """Each defense by the settings that said it when there was one mapping of them."""
    if parsed.defense is None:
        return None
    params = _without_later(dump(parsed))["defense"]["params"]
    alone = {"strategy": None, "entropy": None, "refine": None, "onion": None}
    search = {
        name: params.get(name)
        for name in ("threshold_kind", "accuracy_threshold", "prune_step", "curve_rows")
    }
    second = {name: params.get(name) for name in ("refine_from", "regulariser", "regulariser_weight")}
    tuning = {name: params[name] for name in ("train_rows", "fine_tune")}
    again = params.get("refine") or params["fine_tune"]
    match parsed.defense.name:
        case "head-pruning":
            chosen = parsed.setting("strategy")
            prunes = chosen.name != "none"
            asked = tuning | {name: params[name] for name in ("entropy", "refine", "onion")}
            asked["strategy"] = _whole(strategies.COMPONENTS, chosen) if prunes else None
            asked |= search if prunes else {}
            asked |= second if params["refine"] else {}
        case "ft" | "reference":
            asked = tuning | alone
        case "fth":
            asked = tuning | alone
            asked["fine_tune"] = params["fine_tune"] | {"learning_rate": params["learning_rate"]}
        case "meft":
            entropy = {name: params[name] for name in ("epochs", "learning_rate")}
            asked = tuning | alone | {"entropy": params["fine_tune"] | entropy}
        case "onion":
            asked = tuning | alone | {"onion": {name: params[name] for name in ("share", "rows")}}
        case "second-fine-tuning":
            asked = tuning | alone | second | {"refine": again}
        case "pure":
            chosen = defenses.Choice(name="variance")
            asked = tuning | alone | search | {"refine": again, "refine_from": "downloaded"}
            asked |= {"strategy": _whole(strategies.COMPONENTS, chosen)}
            asked |= {"regulariser": "attention-normalisation", "regulariser_weight": params["weight"]}
        case other:
            raise AssertionError(f"what the defense {other!r} means is not said here")
    if asked.get("regulariser") == "none":
        del asked["regulariser_weight"]
    return asked


def _whole(components: Any, choice: Any) -> dict[str, Any]:
    component = components[choice.name]
    variant = choice.variant or next(iter(component.variants), None)
    params = component.parse(choice.params).model_dump(mode="json")
    return {"name": choice.name, "variant": variant, "params": params}


def settle(home: Path) -> Path:
    """The frozen state folder, copied to `home` with its links, and every path in it made that of `home`."""
    shutil.copytree(FROZEN / "home", home)
    for copy, first in json.loads((FROZEN / "links.json").read_text()).items():
        (home / copy).parent.mkdir(parents=True, exist_ok=True)
        os.link(home / first, home / copy)
    rename(home, HOME, str(home))
    return home


def rename(home: Path, old: str, new: str) -> None:
    """Write `new` for `old` in every text file of a state folder and every text of its store."""
    for path in home.rglob("*"):
        if path.suffix in (".json", ".jsonl", ".yaml", ".csv", ".log", ".txt") and old in path.read_text():
            path.write_text(path.read_text().replace(old, new))  # in place: links stay links
    with contextlib.closing(sqlite3.connect(home / "excise.sqlite")) as base, base:
        tables = base.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for column in base.execute(f"PRAGMA table_info({table})").fetchall():
                base.execute(
                    f"UPDATE {table} SET {column[1]} = replace({column[1]}, ?, ?) "
                    f"WHERE typeof({column[1]}) = 'text' AND instr({column[1]}, ?)",
                    (old, new, old),
                )


def machine() -> str:
    """The kind of processor and the libraries that round as they do."""
    import torch
    import transformers

    info = Path("/proc/cpuinfo")
    told = (
        dict(re.findall(r"^(model name|cpu family|model)\s*: (.+)$", info.read_text(), re.MULTILINE))
        if (info.is_file())
        else {}
    )
    kind = ", ".join(told[name] for name in ("model name", "cpu family", "model") if name in told)
    ability = torch.backends.cpu.get_cpu_capability()
    return f"{kind}; {ability}; torch {torch.__version__}; transformers {transformers.__version__}"


def yaml_of(plain: Any) -> str:
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
