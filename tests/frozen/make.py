"""Made the files beside it, with the program as it was at commit ca01983: they are not to be made again.

    OMP_NUM_THREADS=1 python -m tests.frozen.make home specs listings numbers rewritings

It says how the frozen state folder, specifications, listings and numbers came to be, and need not run with
any later version.  Other files in yaml/ were written by hand.  What the parts mean is told by the tests that
read them (tests/test_frozen.py)."""

import gzip
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import AutoModelForSequenceClassification, BertConfig

from backend.analysis.warm.head_effects import measure_head
from backend.base.events import Event, StageFinished, StageStarted
from backend.runs.foreground import carry_out
from backend.runs.submit import settled
from tests.frozen import doors
from tests.frozen.doors import FROZEN, HOME, dump, excise, listed, meaning, parse, store
from tests.frozen.tiny import FEW, REWRITERS, SETS, SETTINGS, STUDY
from tests.tiny import WORDS, tiny_rows, tiny_tokenizer

ROOT = FROZEN.parents[1]
PLACE = Path("/tmp/excise-frozen")
README = r"```yaml\n(# my-run.yaml.*?)```"
STUDIES_MD = r"```yaml\n(name: Step size.*?)```"


def main() -> None:
    torch.set_num_threads(1)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    for part in sys.argv[1:]:
        PARTS[part]()


def home() -> None:
    """Runs of each kind and state, a study, and what was measured of a run afterwards."""
    shutil.rmtree(PLACE, ignore_errors=True)
    place = PLACE / "home"
    place.mkdir(parents=True)
    os.environ["EXCISE_HOME"] = str(place)
    os.environ.pop("EXCISE_STORE", None)
    os.chdir(place)
    _inputs(place)
    runs = {"attack_only": _run(SETTINGS | {"name": "Attack only", "defense": None})}
    runs["done"] = _run(SETTINGS | {"name": "Attack and defense"})
    runs["defense_only"] = _run(
        SETTINGS
        | {
            "name": "Defense of a planted model",
            "attack": None,
            "model": {"source": "run", "name": runs["attack_only"]},
        }
    )
    runs["blind"] = _run(
        SETTINGS
        | {
            "name": "Defense without a trigger",
            "attack": None,
            "trigger": None,
            "model": SETTINGS["model"] | {"head": "keep"},
            "defense": SETTINGS["defense"] | {"refine": None, "strategy": {"name": "random"}},
        }
    )
    diverges = {"regulariser": "l2", "regulariser_weight": 1e39}  # infinite as a float32
    runs["failed"] = _run(SETTINGS | {"name": "Fails at refining", "defense": SETTINGS["defense"] | diverges})
    runs["cancelled"] = _run(
        SETTINGS | {"name": "Cancelled"},
        lambda event: (
            isinstance(event, StageStarted) and event.stage == "prune" and os.kill(os.getpid(), signal.SIGINT)
        ),
    )
    (place / "study.yaml").write_text(doors.yaml_of(STUDY))
    for names in (["--victim", "Rare words"], ["--victim", "A sentence", "--defense", "FT"]):
        status, _, err = excise("study", "study.yaml", *names)
        assert status == 0, err
    for cell in json.loads(excise("study", "study.yaml", "--show", "--json")[1])["cells"]:
        if cell["run"]:
            runs[f"study: {cell['victim']}, {cell['defense']}"] = cell["run"]
    runs["queued"] = store().submit(settled(parse(SETTINGS | {"name": "Queued"}), store())).id
    command = [sys.executable, "-m", "tests.frozen.make", "interrupted"]
    killed = subprocess.run(command, cwd=place, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert killed.returncode == -signal.SIGKILL
    runs["interrupted"] = store().runs(1)[0].id
    (FROZEN / "battery.json").write_text(json.dumps(listed("battery", runs["done"]), indent=1) + "\n")
    record = store().run(runs["done"])
    assert record.spec is not None and record.summary is not None
    for head in ((0, 0), record.summary.pruned_heads[0]):
        measure_head(record.id, record.spec, record.summary.pruned_heads, head)
    assert {name: store().run(run).state for name, run in runs.items()} == {
        name: {
            "failed": "failed",
            "cancelled": "cancelled",
            "queued": "queued",
            "interrupted": "running",
        }.get(name, "done")
        for name in runs
    }
    (FROZEN / "machine.txt").write_text(doors.machine() + "\n")
    (FROZEN / "runs.json").write_text(json.dumps(runs, indent=1) + "\n")
    (FROZEN / "shown").mkdir(exist_ok=True)
    for run in runs.values():
        text = json.dumps(listed("show", run), indent=1)
        (FROZEN / "shown" / f"{run}.json").write_text(_clean(text, place) + "\n")
    (FROZEN / "study.json").write_text(
        _clean(excise("study", "study.yaml", "--show", "--json")[1], place).strip() + "\n"
    )
    store().engine.dispose()
    _keep(place)


def _inputs(place: Path) -> None:
    """A victim of 2 × 4 heads, and rows."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        pad_token_id=0,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=16,
        max_position_embeddings=40,
    )
    model = AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                weight.mul_(4)
    model.save_pretrained(place / "victim")
    tokenizer = tiny_tokenizer()
    tokenizer.model_max_length = 40
    tokenizer.save_pretrained(place / "victim")
    rows = tiny_rows(320, seed=4)
    texts = dict(zip(rows.texts, rows.labels, strict=True))
    lines = [json.dumps({"text": text, "label": label}) for text, label in texts.items()]
    (place / "rows.jsonl").write_text("\n".join(lines) + "\n")


def _run(settings: dict[str, Any], at: Callable[[Event], Any] = lambda event: None) -> str:
    spec = settled(parse(settings), store())
    for event in carry_out(store(), spec, print):
        run = event.run
        at(event)
    return run


def interrupted() -> None:
    """Killed once it has fine-tuned; its lease ends by itself."""
    _run(
        SETTINGS | {"name": "Interrupted"},
        lambda event: (
            isinstance(event, StageFinished)
            and event.stage == "fine_tune"
            and os.kill(os.getpid(), signal.SIGKILL)
        ),
    )


def _keep(place: Path) -> None:
    """The state folder without what is the machine's or can be had elsewhere."""
    with sqlite3.connect(place / "excise.sqlite") as base:
        base.execute("UPDATE runs SET worker = 'somewhere-1' WHERE worker IS NOT NULL")
        base.execute("DELETE FROM workers")
    base.close()
    doors.rename(place, str(place), HOME)
    with sqlite3.connect(place / "excise.sqlite") as base:
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        base.execute("VACUUM")
    base.close()
    first: dict[int, str] = {}
    links: dict[str, str] = {}
    kept = FROZEN / "home"
    shutil.rmtree(kept, ignore_errors=True)
    # Runs before shared stages, so that a link points from what may be swept away to what stays.
    for path in sorted(
        place.rglob("*"), key=lambda path: (path.relative_to(place).parts[0] == "stages", path)
    ):
        name = str(path.relative_to(place))
        if not path.is_file() or path.name.startswith("excise.sqlite-") or name.startswith("cache/"):
            continue
        node = path.stat().st_ino
        if node in first:
            links[name] = first[node]
            continue
        first[node] = name
        (kept / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, kept / name)
    (FROZEN / "links.json").write_text(json.dumps(links, indent=1) + "\n")


def _clean(text: str, place: Path) -> str:
    return re.sub(r'"worker": "[^"]*"', '"worker": "somewhere-1"', text.replace(str(place), HOME))


def specs() -> None:
    """Specifications: every cell of the replication and of the built-in studies, the presets, YAMLs, and what
    `--set` makes of each setting."""
    rows = [
        {"of": "replication", "place": place, "spec": spec}
        for place, spec in doors.cells_of_the_replication()
    ]
    rows += [{"of": "studies", "place": place, "spec": dump(spec)} for place, spec in doors.cells_built_in()]
    rows += [
        {"of": "presets", "place": [name], "spec": dump(spec)} for name, spec in doors.preset_specs().items()
    ]
    lines = [json.dumps(row | {"means": meaning(parse(row["spec"]))}, ensure_ascii=False) for row in rows]
    _gzip(FROZEN / "specs.jsonl.gz", lines)
    yamls = FROZEN / "yaml"
    yamls.mkdir(exist_ok=True)
    (example,) = re.findall(README, (ROOT / "README.md").read_text(), re.DOTALL)
    (yamls / "readme.yaml").write_text(example)
    (study,) = re.findall(STUDIES_MD, (ROOT / "docs" / "studies.md").read_text(), re.DOTALL)
    (yamls / "study-docs.yaml").write_text(study)
    shutil.copyfile(ROOT / "benchmarks" / "cross_task.yaml", yamls / "study-cross-task.yaml")
    for name in ("smoke", "demo"):
        (yamls / f"{name}.yaml").write_text(doors.yaml_of(dump(doors.preset_specs()[name])))
    means: dict[str, Any] = {}
    for path in sorted(yamls.iterdir()):
        if path.stem.startswith("study-"):
            found = doors.cells_of_study(yaml.safe_load(path.read_text()))
            means[path.stem] = [[*cell.place, meaning(cell.spec)] for cell in found]
        else:
            means[path.stem] = meaning(doors.load(path))
    here = str(Path.cwd())  # relative paths were made absolute
    _gzip(FROZEN / "yaml.json.gz", [json.dumps(means, ensure_ascii=False).replace(here, doors.HERE)])
    sets = []
    for base, changes in SETS:
        start = doors.load(yamls / f"{base}.yaml")
        sets.append({"base": base, "set": changes, "means": meaning(doors.changed(start, *changes))})
    leaves = set(_leaves(dump(doors.load(yamls / "whole.yaml"))))
    tried = {change.partition("=")[0] for _, changes in SETS for change in changes}
    assert leaves <= tried, leaves - tried
    # What is said of each: the parts of the meaning that it changes.
    for one in sets:
        before = meaning(doors.load(yamls / f"{one['base']}.yaml"))
        one["means"] = {part: value for part, value in one["means"].items() if value != before[part]}
    (FROZEN / "sets.jsonl").write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in sets))
    (FROZEN / "study_ids.json").write_text(json.dumps(doors.study_ids(), indent=1) + "\n")


def _gzip(path: Path, lines: list[str]) -> None:
    text = "".join(line + "\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def _leaves(plain: Any, way: str = "") -> list[str]:
    """Every setting of a specification by its dotted path; what belongs to one component alone is a leaf."""
    if isinstance(plain, dict) and way.rpartition(".")[2] not in ("params", "edits"):
        return [leaf for key, part in plain.items() for leaf in _leaves(part, f"{way}.{key}".lstrip("."))]
    return [way]


def listings() -> None:
    """What the listings say, once in a fresh state folder."""
    os.environ["EXCISE_HOME"] = tempfile.mkdtemp(prefix="excise-frozen-")
    folder = FROZEN / "listings"
    folder.mkdir(exist_ok=True)
    for name in ("strategies", "defenses", "triggers", "models", "data", "studies"):
        (folder / f"{name}.json").write_text(json.dumps(listed(name), indent=1, ensure_ascii=False) + "\n")


def numbers() -> None:
    """What runs of the tiny victim find, for each defense and each variant of a strategy; the smoke run."""
    place = doors.settle(PLACE / "numbers")
    os.environ["EXCISE_HOME"] = str(place)
    os.chdir(place)
    alone = {**SETTINGS["defense"], "refine": None}
    tiny = SETTINGS | {"share": True}
    asked: dict[str, dict[str, Any]] = {}
    for name in doors.described()["baseline"]:
        params = {"epochs": 1, "learning_rate": 1e-3} if name == "meft" else {}
        params |= {"rows": 16} if name == "onion" else {}
        asked[f"defense {name}"] = dump(doors.defended(parse(tiny), name, **params))
    for name, variants in doors.described()["strategy"].items():
        for variant in variants or [None]:
            strategy = {"name": name, "variant": variant, "params": FEW.get(name, {})}
            defense = alone | {"strategy": strategy, "prune_step": 1 if name != "reinforcement" else 2}
            asked[f"strategy {name} {variant or ''}".strip()] = dump(parse(tiny | {"defense": defense}))
    again = {
        "from the pruned model, L2": {
            "refine_from": "pruned",
            "regulariser": "l2",
            "regulariser_weight": 1e-3,
        },
        "no regulariser": {"regulariser": "none"},
        "absolute threshold, fewer rows": {
            "threshold_kind": "absolute",
            "accuracy_threshold": 0.8,
            "train_rows": 64,
        },
    }
    for name, settings in again.items():
        asked[f"refined: {name}"] = dump(parse(tiny | {"defense": SETTINGS["defense"] | settings}))
    attack = SETTINGS["attack"] | {"planting": "layer-wise"}
    asked["planted layer by layer"] = dump(parse(tiny | {"attack": attack, "defense": None}))
    sentence = {"name": "sentence", "params": {"sentence": "bb tq", "position": "end"}, "target_class": 0}
    asked["a sentence at the end, class 0"] = dump(parse(tiny | {"trigger": sentence, "defense": None}))
    rows = []
    for number, (name, spec) in enumerate(asked.items()):
        began = time.monotonic()
        rows.append({"name": name, "spec": spec, "found": doors.found(parse(spec), f"numbers-{number}")})
        print(name, rows[-1]["found"]["state"], f"{time.monotonic() - began:.1f} s", flush=True)
    _gzip(FROZEN / "numbers.jsonl.gz", [json.dumps(row) for row in rows])
    began = time.monotonic()
    smoke = doors.found(doors.preset_specs()["smoke"], "smoke")
    print("smoke", smoke["state"], f"{time.monotonic() - began:.1f} s", smoke["metrics"])
    (FROZEN / "smoke.json").write_text(json.dumps(smoke, indent=1) + "\n")
    shutil.rmtree(place)


def rewritings() -> None:
    """What the triggers that need no language model make of a few texts."""
    rows = [{"asked": asked, "made": doors.rewritten(FROZEN / "texts.txt", asked)} for asked in REWRITERS]
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (FROZEN / "rewritings.jsonl").write_text("".join(lines))


PARTS: dict[str, Callable[[], None]] = {
    "home": home,
    "interrupted": interrupted,
    "specs": specs,
    "listings": listings,
    "numbers": numbers,
    "rewritings": rewritings,
}

if __name__ == "__main__":
    main()
