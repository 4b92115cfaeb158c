"""How the time and memory of a pruning search grow with rows, heads and step size.

    python benchmarks/search_growth.py [--json results/search_growth.json] [--plot docs/search-growth.png]

Each search goes to its end (τ = 0) along a random order over a model of random weights, as wide as the
embedded one, on rows of the embedded data, in a process of its own: seconds, and GiB at the peak above
the loaded model.  Figures in the JSON file are kept.  The plot is drawn by Chromium."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from backend import data
from backend.data.rows import Rows
from backend.data.tokens import encode
from backend.evaluation.evaluator import Evaluator
from backend.heads.grid import HeadGrid
from backend.models.classifiers import load_classifier
from backend.pruning.guardrail import prune
from backend.spec.run import DataSpec, ModelSpec
from benchmarks.common import ROOT, peak_above, same_machine
from benchmarks.results import RESULTS

ROWS = (250, 500, 1000, 2000, 4000, 8000)
LAYERS = (2, 4, 6, 8, 10, 12)
STEPS = (1, 2, 5, 10, 20)
USUAL = {"rows": 872, "layers": 6, "s": 10}
PANELS = {"rows": "Validation rows", "heads": "Heads", "s": "Heads per step s"}


def cells() -> list[dict[str, int]]:
    """The searches to time, each with one setting changed from the usual."""
    wanted = [USUAL | {"rows": rows} for rows in ROWS]
    wanted += [USUAL | {"layers": layers} for layers in LAYERS]
    wanted += [USUAL | {"s": s} for s in STEPS]
    return [cell for i, cell in enumerate(wanted) if cell not in wanted[:i]]


def measure(rows: int, layers: int, s: int) -> dict[str, float]:
    """One search in this process."""
    dataset = data.load(DataSpec())
    embedded, tokenizer = load_classifier(ModelSpec(), dataset.label_names, 0)
    config = AutoConfig.for_model(**embedded.config.to_dict() | {"num_hidden_layers": layers})
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    texts = [text for split in (dataset.train, dataset.validation, dataset.test) for text in split.texts]
    encoded = encode(tokenizer, Rows(texts[:rows], [0] * rows), 128)
    grid = HeadGrid(model)
    model(torch.zeros(1, 1, dtype=torch.long))  # the libraries' own workspaces
    order = [divmod(int(i), grid.heads) for i in np.random.default_rng(0).permutation(layers * grid.heads)]
    steps = 0

    def search() -> None:
        nonlocal steps
        steps = sum(1 for _ in prune(order, grid.shape, Evaluator(grid, encoded).accuracy, 0.0, s))

    began = time.perf_counter()
    peak = peak_above(search)
    seconds = time.perf_counter() - began
    return {"heads": layers * grid.heads, "seconds": seconds, "evaluations": steps, "peak_gib": peak}


def plot(figures: dict[str, Any], to: Path) -> None:
    """Draw time above and memory below, over each setting that changes."""
    import plotly.graph_objects as go
    from playwright.sync_api import sync_playwright
    from plotly.subplots import make_subplots

    from tests.browser.conftest import SWITCHES, chromium

    figure = make_subplots(rows=2, cols=3, shared_xaxes="columns", vertical_spacing=0.06)
    usual = USUAL | {"heads": USUAL["layers"] * 12}
    for column, (what, title) in enumerate(PANELS.items(), start=1):
        others = [name for name in PANELS if name != what]
        points = sorted(
            (cell for cell in figures["cells"] if all(cell[name] == usual[name] for name in others)),
            key=lambda cell: cell[what],
        )
        for row, (y, color) in enumerate((("seconds", "#0072B2"), ("peak_gib", "#D55E00")), start=1):
            figure.add_trace(
                go.Scatter(
                    x=[cell[what] for cell in points],
                    y=[cell[y] for cell in points],
                    mode="lines+markers",
                    line_color=color,
                ),
                row,
                column,
            )
        figure.update_xaxes(title_text=title, row=2, col=column)
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(title_text="Seconds of a search", row=1, col=1)
    figure.update_yaxes(title_text="GiB above the model", row=2, col=1)
    figure.update_layout(template="plotly_white", showlegend=False, width=1100, height=560)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        page_file = Path(scratch) / "plot.html"
        figure.write_html(page_file, include_plotlyjs=True)
        browser = playwright.chromium.launch(executable_path=chromium(), args=SWITCHES)
        page = browser.new_page(viewport={"width": 1110, "height": 570})
        page.goto(page_file.as_uri())
        page.wait_for_selector(".plot-container .main-svg")
        page.screenshot(path=to)
        browser.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--json", type=Path, default=RESULTS / "search_growth.json")
    arguments.add_argument("--plot", type=Path, default=ROOT / "docs" / "search-growth.png")
    arguments.add_argument("--cell", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.cell:
        print(json.dumps(measure(**json.loads(options.cell))))
        return
    figures = {"cells": []}
    if options.json.is_file():
        figures = json.loads(options.json.read_text(encoding="utf-8"))
    figures["machine"] = same_machine(figures, options.json)
    done = [{name: cell[name] for name in USUAL} for cell in figures["cells"]]
    for cell in cells():
        if cell in done:
            continue
        command = [sys.executable, __file__, "--cell", json.dumps(cell)]
        figures["cells"].append(cell | json.loads(subprocess.check_output(command, text=True)))
        print(json.dumps(figures["cells"][-1]), flush=True)
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    plot(figures, options.plot)


if __name__ == "__main__":
    main()
