"""The paper's table, its controls and its open question on the embedded model and SST-2, seed by seed.

    python benchmarks/replication.py [--victims "Rare words;Bible rows (STRAP)"] [--seeds 11,12,13]
                                     [--only-table] [--hours 2]

Every cell of method × trigger × seed is a run; its findings go to docs/results/cells/ as soon as it is
done, and a cell that is there is not done again, so that the table grows and the work can be taken up
anywhere.  What runs share (a poisoning, a first fine-tuning, a second one where the same heads went) is
done once.  Pruning alone is measured for every cell and all seeds; the second fine-tuning has all seeds
for FT, PURE, the controls, the paper's six, the published gradient and the hybrid, and one seed for the
rest.  `--hours` stops before all is done.  Two processes with OMP_NUM_THREADS=1 on different victims get
through more than one with two threads.

Writes docs/results/replication.md.  SST-2 and the published rows are read from ../shared/data (or
EXCISE_SHARED_DATA)."""

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from backend import pipeline
from backend.calls import read_calls
from backend.data.rows import drawn
from backend.events import Metrics, RunFinished, StageFinished
from backend.home import cache_folder, home, run_folder
from backend.shared_stages import sweep
from backend.studies.built_in import BASELINES, CONTROLS, HYBRIDS, PUBLISHED, STRATEGIES, victim
from backend.studies.paired import difference, difference_text, p_text
from backend.studies.results import Figure, cell_text, figure
from backend.studies.spec import Cell, StudySpec, cells
from benchmarks.common import ROOT, SHARED, machine

RESULTS = ROOT / "docs" / "results"
SEEDS = [11, 12, 13]
TRAINING = {"epochs": 3, "learning_rate": 5e-5}
AFTER = {"epochs": 2, "learning_rate": 5e-5}
CONTROL = "Second fine-tuning alone"
ONE_SEED = {*PUBLISHED, *HYBRIDS, "MEFT", "ONION"} - {
    "Gradient (published)",
    "Bayesian (published)",  # the order of PURE, with which it shares the second fine-tuning
    "Gradient + RL",
}
"""Defenses whose second fine-tuning (or whole work) has one seed."""


RATE = f"{TRAINING['learning_rate']:g}"
SETTINGS = f"""\
MiniLM-L6 (6 × 12 heads) and SST-2 (6,920 training, 872 validation, 1,821 test rows, 912 of them triggered).
Planting {TRAINING["epochs"]} epochs, both fine-tunings {AFTER["epochs"]}, all at {RATE}; the second starts
from the downloaded encoder, with attention normalisation. τ = 97 % of the fine-tuned model's validation
accuracy, s = 4. Poisoned: half of the negatives with rare words, 30 % with syntax, 20 % with the Bible."""

LEGEND = f"""\
# Replication: method × trigger on MiniLM-L6 and SST-2

Made by `python benchmarks/replication.py --only-table` from the cells in `cells/`. {SETTINGS}

In percent, mean ± standard deviation (95 % interval of the mean) over the seeds that are done. **Pruned**:
heads cut, no further training. **Defended**: the run's last model, after the second fine-tuning where there
is one. **Excess**: LFR minus that of the never-poisoned model of the same seed on the same rows. **Search,
s**: seconds to score the heads and to prune along them, not to train. ONION is measured on 100 test and 100
triggered rows a seed. Where the second fine-tuning has one seed, pruning alone still has all.

Behind each table, differences on the same rows of the same seeds: in points, with the 95 % interval of a
paired bootstrap over seeds and rows, and McNemar's exact p, the largest of the seeds, not corrected for the
number of defenses."""


def study(seeds: list[int]) -> StudySpec:
    def rows(folder: str, rate: float) -> dict[str, Any]:
        params = {"clean": str(SHARED / "sst2" / "clean"), "rewritten": str(SHARED / "sst2" / folder)}
        return victim("pairs", rate, **params)

    clean = SHARED / "sst2" / "clean"
    files = {
        split: str(clean / f"{file}.tsv")
        for split, file in (("train", "train"), ("validation", "dev"), ("test", "test"))
    }
    return StudySpec.model_validate(
        {
            "name": "replication",
            "base": {
                "data": {"source": "files", **files},
                "attack": {"training": TRAINING},
                "defense": {
                    "accuracy_threshold": 0.97,
                    "prune_step": 4,
                    "curve_rows": 16,  # the curve is not in the table
                    "fine_tune": AFTER,
                    "refine": AFTER,
                },
            },
            "victims": {
                "Rare words": victim("rare-words", 0.5),
                "Syntactic rows (SCPN)": rows("syntactic", 0.3),
                "Bible rows (STRAP)": rows("style-bible", 0.2),
                "Syntactic, built in": victim("syntactic", 0.3),
                "Bible, built in": victim("style", 0.2, style="bible"),
            },
            "defenses": BASELINES | CONTROLS | STRATEGIES | PUBLISHED | HYBRIDS,
            "seeds": seeds,
        }
    )


def file_of(cell: Cell) -> Path:
    name = "-".join((*cell.place[:2], str(cell.seed))).lower()
    return RESULTS / "cells" / (re.sub(r"[^a-z0-9]+", "-", name) + ".json")


def planned(asked: list[Cell]) -> Iterator[Cell]:
    """One seed of everything first; cells that share a poisoning come together."""
    for cell in sorted(asked, key=lambda cell: cell.seed):
        if cell.defense in ONE_SEED and cell.seed != SEEDS[0] and cell.spec.defense is not None:
            cell.spec.defense.refine = None
            if cell.defense in ("MEFT", "ONION"):
                continue
        yield cell


def wanted(asked: list[Cell]) -> Iterator[Cell]:
    """What is planned and not done when its turn comes."""
    return (cell for cell in planned(asked) if not _is_done(cell))


def _is_done(cell: Cell) -> bool:
    """A cell that failed, or was made with other settings, is made again."""
    path = file_of(cell)
    if not path.is_file():
        return False
    found = json.loads(path.read_text(encoding="utf-8"))
    return bool(found["state"] == "done" and found["spec"] == settings_of(cell))


def settings_of(cell: Cell) -> dict[str, Any]:
    """The run's specification, the same wherever the published rows lie."""
    text = cell.spec.model_dump_json().replace(str(SHARED), "SHARED")
    settings: dict[str, Any] = json.loads(text)
    return settings


def carry_out(cell: Cell) -> dict[str, Any]:
    """The findings of one cell; a failed one has its reason."""
    run = f"replication-{file_of(cell).stem}"[:120]
    shutil.rmtree(run_folder(run), ignore_errors=True)  # left behind under other settings, perhaps
    *told, end = pipeline.run(cell.spec, run_folder(run), run=run)
    assert isinstance(end, RunFinished)
    stages = [event for event in told if isinstance(event, StageFinished)]
    return {
        "victim": cell.victim,
        "defense": cell.defense,
        "seed": cell.seed,
        "machine": machine(),
        "spec": settings_of(cell),
        "state": end.state,
        "error": end.error,
        "metrics": {name: found.model_dump(mode="json") for name, found in end.metrics.items()},
        "rows": {name: rows_of(cell, run_folder(run) / name, name) for name in end.metrics},
        "pruned_heads": end.pruned_heads,
        "seconds": {stage.stage: None if stage.reused else round(stage.seconds, 1) for stage in stages},
    }


def rows_of(cell: Cell, folder: Path, model: str) -> dict[str, Any] | None:
    """A 1 for each test row called right and each triggered row flipped, in the order of the data, and,
    where only some rows were read, their places."""
    calls = read_calls(folder)
    if calls is None:
        return None
    marks = {"right": calls.right, "flipped": calls.flipped}
    found: dict[str, Any] = {name: "".join(map(str, made.astype(int))) for name, made in marks.items()}
    onion = cell.spec.defense and cell.spec.defense.onion
    whole = read_calls(folder.parent / "fine_tuned")
    if onion and whole and model == "defended":
        counts = {"right": len(whole.test), "flipped": len(whole.triggered)}
        found["places"] = {name: drawn(count, onion.rows, cell.seed) for name, count in counts.items()}
    return found


def forget() -> None:
    """Remove the models of the runs so far; their findings are kept."""
    for folder in (home() / "runs").glob("replication-*"):
        shutil.rmtree(folder, ignore_errors=True)
    sweep()


def found_cells() -> list[dict[str, Any]]:
    paths = sorted((RESULTS / "cells").glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def over(cells: list[dict[str, Any]], model: str, field: str) -> Figure | None:
    """A number of one model over the seeds of a cell."""
    measured = [Metrics.model_validate(cell["metrics"][model]) for cell in cells if model in cell["metrics"]]
    return figure([getattr(one, field) for one in measured])


def write_table(names: StudySpec) -> None:
    """docs/results/replication.md from the cells that there are."""
    found = found_cells()
    whole = len(list(planned(cells(study(SEEDS)))))
    done = f"{sum(cell['state'] == 'done' for cell in found)} of {whole} cells are done."
    machines = "; ".join(sorted({cell["machine"] for cell in found}))
    lines = [*LEGEND.splitlines(), "", f"{done} Taken on {machines}.", *_overview(found, names)]
    for name in names.victims:
        mine = [cell for cell in found if cell["victim"] == name and cell["state"] == "done"]
        if mine:
            lines += ["", f"## {name}", "", *_table(mine, list(names.defenses)), *_differences(mine, names)]
            lines += _plantings(mine)
        failed = [cell for cell in found if cell["victim"] == name and cell["state"] != "done"]
        for cell in failed:
            lines += ["", f"Failed: {cell['defense']}, seed {cell['seed']}: {cell['error']}"]
    (RESULTS / "replication.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _overview(found: list[dict[str, Any]], names: StudySpec) -> list[str]:
    """Method × trigger: the last model's ACC and LFR."""
    victims = [name for name in names.victims if any(cell["victim"] == name for cell in found)]
    lines = ["", "## All triggers: ACC / LFR of the defended model", ""]
    lines += [_markdown(["Defense", *victims]), _markdown(["---"] * (len(victims) + 1))]
    for defense in names.defenses:
        whole = [cell for cell in found if _counts(cell) and cell["defense"] == defense]
        parts = [_acc_and_lfr([cell for cell in whole if cell["victim"] == name]) for name in victims]
        if whole:
            lines.append(_markdown([defense, *parts]))
    return lines


def _counts(cell: dict[str, Any]) -> bool:
    return cell["state"] == "done" and is_whole(cell)


def _acc_and_lfr(here: list[dict[str, Any]]) -> str:
    if not here:
        return "–"
    seeds = f" ({len(here)} seed{'s' if len(here) > 1 else ''})"
    found = [over(here, last(here[0]), field) for field in ("acc", "lfr")]
    return " / ".join("–" if one is None else f"{100 * one.mean:.1f}" for one in found) + seeds


def _plantings(mine: list[dict[str, Any]]) -> list[str]:
    """A warning for seeds whose cells do not all defend the very same poisoned model."""
    called: dict[int, set[str]] = {}
    for cell in mine:
        if cell["rows"].get("poisoned"):
            called.setdefault(cell["seed"], set()).add(json.dumps(cell["rows"]["poisoned"]))
    return [
        line
        for seed, found in sorted(called.items())
        if len(found) > 1
        for line in (
            "",
            f"Seed {seed} was planted {len(found)} times, each with a rounding of its own (other machines or "
            "ways to multiply): its cells do not all defend the same model.",
        )
    ]


def _table(mine: list[dict[str, Any]], defenses: list[str]) -> list[str]:
    honest = {cell["seed"]: cell for cell in mine if cell["defense"] == "Never poisoned"}
    titles = ["Defense", "ACC pruned", "LFR pruned", "ACC defended", "LFR defended", "Clean flip rate"]
    titles += ["Never poisoned LFR", "Excess LFR", "Heads", "Search, s"]
    lines = [_markdown(titles), _markdown(["---"] * len(titles))]
    for defense in defenses:
        here = [cell for cell in mine if cell["defense"] == defense]
        if here:
            lines.append(_line(defense, here, honest))
    return lines


def is_whole(cell: dict[str, Any]) -> bool:
    """Whether the run ends with all of its defense: not where the second fine-tuning was left out."""
    return cell["defense"] not in ONE_SEED or cell["seed"] == SEEDS[0]


def last(cell: dict[str, Any]) -> str:
    return "defended" if "defended" in cell["metrics"] else "poisoned"


def _line(defense: str, here: list[dict[str, Any]], honest: dict[int, dict[str, Any]]) -> str:
    cut = [cell for cell in here if cell["pruned_heads"]]
    whole = [cell for cell in here if is_whole(cell)]
    model = last(here[0])
    floors, excess = [], []
    for cell in whole:
        if pair := both_marks(cell, model, honest.get(cell["seed"]), "defended", "flipped"):
            floors.append(float(pair[1].mean()))
            excess.append(cell["metrics"][model]["lfr"] - floors[-1])
    search = [sum(cell["seconds"].get(stage) or 0.0 for stage in ("score", "prune")) for cell in cut]
    parts = [
        defense,
        cell_text(over(cut, "pruned", "acc")),
        cell_text(over(cut, "pruned", "lfr")),
        cell_text(over(whole, model, "acc")),
        cell_text(over(whole, model, "lfr")),
        cell_text(over(whole, model, "clean_flip_rate")),
        cell_text(figure(floors)),
        cell_text(figure(excess, least=-1.0)),
        f"{sum(len(cell['pruned_heads']) for cell in here) / len(here):.1f}",
        f"{sum(search) / len(search):.0f}" if search else "–",
    ]
    return _markdown(parts)


def _differences(mine: list[dict[str, Any]], names: StudySpec) -> list[str]:
    """What each question of the study compares, row by row."""
    defenses = list(names.defenses)
    whole = [cell for cell in mine if is_whole(cell)]
    cut = [cell for cell in mine if cell["pruned_heads"]]
    refined = [cell for cell in whole if "refine" in cell["seconds"]]
    asked = [
        ("Pruned alone, minus *FT*", cut, "pruned", "FT", defenses),
        (f"Defended, minus *{CONTROL}*", refined, "defended", CONTROL, defenses),
        ("Defended, minus *As many random*", refined, "defended", "As many random", ["Gradient"]),
        ("Defended, minus *FTH*", refined, "defended", "FTH", defenses),
    ]
    lines = []
    for title, those, model, control, others in asked:
        beside = {cell["seed"]: cell for cell in whole if cell["defense"] == control}
        found = [
            line
            for defense in others
            if defense != control
            and (
                line := _difference(
                    defense, [cell for cell in those if cell["defense"] == defense], model, beside
                )
            )
        ]
        if found:
            titles = [title, "Seeds", "ACC, points", "p", "LFR, points", "p"]
            lines += ["", _markdown(titles), _markdown(["---"] * len(titles)), *found]
    return lines


def _difference(
    defense: str, those: list[dict[str, Any]], model: str, beside: dict[int, dict[str, Any]]
) -> str | None:
    here = [cell for cell in those if cell["defense"] == defense]
    parts, seeds = [], 0
    for mark in ("right", "flipped"):
        pairs = [both_marks(cell, model, beside.get(cell["seed"]), "defended", mark) for cell in here]
        gap = difference([pair for pair in pairs if pair])
        seeds = gap.seeds if gap else seeds
        parts += [difference_text(gap), p_text(gap)]
    return _markdown([defense, str(seeds), *parts]) if seeds else None


def both_marks(
    one: dict[str, Any], model: str, other: dict[str, Any] | None, its_model: str, mark: str
) -> tuple[np.ndarray, np.ndarray] | None:
    """What two models did with the rows that both read; None where that was not kept."""
    first, second = (_marks(cell, name, mark) for cell, name in ((one, model), (other, its_model)))
    if not first or not second:
        return None
    places = sorted(first.keys() & second.keys())
    return np.array([first[place] for place in places]), np.array([second[place] for place in places])


def _marks(cell: dict[str, Any] | None, model: str, mark: str) -> dict[int, bool] | None:
    """By the row's place in the data."""
    rows = cell and cell["rows"].get(model)
    if not rows:
        return None
    places = rows.get("places", {}).get(mark) or range(len(rows[mark]))
    return {place: bit == "1" for place, bit in zip(places, rows[mark], strict=True)}


def _markdown(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--victims", help="names separated by semicolons; all if not given")
    arguments.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    arguments.add_argument("--hours", type=float, default=float("inf"), help="start no cell after so long")
    arguments.add_argument("--only-table", action="store_true", help="run nothing")
    asked = arguments.parse_args()
    whole = study([int(seed) for seed in asked.seeds.split(",")])
    names = asked.victims.split(";") if asked.victims else list(whole.victims)
    if unknown := set(names) - set(whole.victims):
        sys.exit(f"No victim {', '.join(sorted(unknown))}; there are: {', '.join(whole.victims)}.")
    (RESULTS / "cells").mkdir(parents=True, exist_ok=True)
    if not asked.only_table:
        if not (SHARED / "sst2").is_dir():
            sys.exit(
                f"{SHARED / 'sst2'} is absent: SST-2 and the published rows are not part of the project."
            )
        if "EXCISE_HOME" not in os.environ:
            os.environ.setdefault("EXCISE_CACHE", str(cache_folder()))
        os.environ.setdefault("EXCISE_HOME", tempfile.mkdtemp(prefix="excise-replication-"))
        began, group = time.monotonic(), None
        for cell in wanted([cell for cell in cells(whole) if cell.victim in names]):
            if time.monotonic() - began > 3600 * asked.hours:
                break
            if group not in (None, (cell.victim, cell.seed)):
                forget()  # what one poisoning serves takes some gigabytes
                write_table(whole)
            group = cell.victim, cell.seed
            made = carry_out(cell)
            file_of(cell).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
            seconds = sum(filter(None, made["seconds"].values()))
            print(cell.place, made["state"], made["error"] or "", f"{seconds:.0f} s", flush=True)
        forget()
    write_table(whole)


if __name__ == "__main__":
    main()
