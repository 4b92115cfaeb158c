"""The speed of the dashboard with many stored runs.

    python benchmarks/dashboard_speed.py [--runs 1000] [--steps 150] [--json FILE]

Fills a store in a temporary folder with finished runs of a 12 × 12 grid and a running one, and prints
milliseconds on the server, medians of several: the overview, opening a run, a refresh of the live view after
a new pruning step, switching off a head on the playground (the embedded model, in its own process), and every
other page as a session first opens it with that run (with fixed answers in place of the models: only the page
itself is timed).  Then starts the dashboard as users do and measures the seconds from the command to the
first heading in a real browser (Chromium), and whether torch was loaded."""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import psutil
from streamlit.testing.v1 import AppTest

from backend.analysis import answers, head_effects
from backend.analysis.attention import Attention
from backend.base import events
from backend.base.paths import run_folder
from backend.runs.store import Store, open_store, write_end, write_event
from backend.spec import presets
from benchmarks.common import ROOT, machine
from tests.pages.open_app import open_app

LAYERS = HEADS = 12
TIMES = 7
STARTS = 5
FIRST_TIMES = 3
TOKENS = 40


def steps(run: str, count: int) -> Iterator[events.PruningStep]:
    for number in range(count):
        yield events.PruningStep(
            run=run,
            step=number,
            pruned=[divmod(number % (LAYERS * HEADS), HEADS)] if number else [],
            pruned_total=number,
            tried_val_acc=0.9 - number / 2000,
            val_acc=0.9 - number / 2000,
            acc=0.9 - number / 2000,
            lfr=0.95 - number / 300,
            threshold=0.85,
        )


def run_events(run: str, spec: Any, count: int) -> Iterator[events.Event]:
    """The events of a run of `count` steps, without its end."""
    metrics = events.Metrics(
        acc=0.9,
        acc_interval=(0.88, 0.92),
        test_rows=872,
        lfr=0.9,
        lfr_interval=(0.88, 0.92),
        triggered_rows=428,
        clean_flip_rate=0.1,
    )
    grid = [(layer, head) for layer in range(LAYERS) for head in range(HEADS)]
    yield events.RunStarted(run=run, spec=spec.model_dump(mode="json"), device="CPU")
    for stage in ("prepare", "generate", "poison", "fine_tune", "score"):
        yield events.StageStarted(run=run, stage=stage)
        yield events.StageFinished(run=run, stage=stage, seconds=12.0)
    yield events.Metric(run=run, model="poisoned", metrics=metrics)
    yield events.Metric(run=run, model="fine_tuned", metrics=metrics)
    scores = [[float(layer * HEADS + head) for head in range(HEADS)] for layer in range(LAYERS)]
    yield events.HeadScores(
        run=run, strategy="gradient", layers=LAYERS, heads=HEADS, scores=scores, order=grid
    )
    yield events.StageStarted(run=run, stage="prune")
    yield from steps(run, count)


def fill(store: Store, runs: int, count: int) -> tuple[str, str]:
    """Store `runs` finished runs and a running one; returns the ids of a finished one and the running one."""
    spec = presets.preset("demo")
    done = ""
    for number in range(runs + 1):
        running = number == runs
        run = store.insert(spec, state="running" if running else "done", started=time.time() - 600)
        with store.writing() as connection:
            for event in run_events(run, spec, count - running):
                write_event(connection, event)
            if running:
                return done, run
            end = events.RunFinished(run=run, state="done", seconds=600.0)
            write_end(connection, end)
        done = run
    raise AssertionError


def milliseconds(work: Callable[[], Any], times: int = TIMES) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def open_page(page: str | None = None, **query: str) -> AppTest:
    app = open_app(timeout=60)
    if page is not None:
        app.switch_page(f"pages/{page}.py")
    for key, value in query.items():
        app.query_params[key] = value
    return app


def run_once(app: AppTest) -> None:
    app.run()
    if app.exception or app.error:
        sys.exit(f"The page failed: {[*app.exception, *app.error][0].value}")


def first_ms(page: str, **query: str) -> float:
    """Milliseconds of a page that a session opens first; the start of the session is not timed."""
    taken = []
    for _ in range(FIRST_TIMES):
        app = open_page(page, **query)
        taken.append(milliseconds(partial(run_once, app), 1))
    return statistics.median(taken)


def refresh(store: Store, run: str, count: int) -> float:
    """Milliseconds of the live view alone, each time after one more pruning step."""
    from pages.parts.runs import monitor

    taken: list[float] = []
    view = monitor._view

    def timed(*args: Any) -> None:
        began = time.perf_counter()
        view(*args)
        taken.append((time.perf_counter() - began) * 1000)

    monitor._view = timed
    app = open_page("runs", run=run)
    run_once(app)
    for event in list(steps(run, count + TIMES))[count:]:
        with store.writing() as connection:
            write_event(connection, event)
        run_once(app)
    monitor._view = view
    return statistics.median(taken[-TIMES:])


def write_artifacts(run: str) -> None:
    """Write models, triggered rows and head effects to the run's folder, for the pages that read them."""
    folder = run_folder(run)
    for name in ("poisoned", "fine_tuned", "defended"):
        (folder / name).mkdir(parents=True)
        config = {"model_type": "bert", "num_hidden_layers": LAYERS, "num_attention_heads": HEADS}
        (folder / name / "config.json").write_text(json.dumps(config))
    rows = [f"test,{i},negative,row {i} of a film,row {i} cf of a film," for i in range(200)]
    (folder / "generated").mkdir()
    (folder / "generated" / "rewritings.csv").write_text(
        "\n".join(["split,row,label,text,rewritten,left_out", *rows])
    )
    every = [(layer, head) for layer in range(LAYERS) for head in range(HEADS)]
    effects = head_effects.Effects(
        rows=128,
        triggered_rows=128,
        before=head_effects.Effect(acc=0.9, lfr=0.9),
        after=head_effects.Effect(acc=0.9, lfr=0.3),
        gated={head_effects.name_of(head): head_effects.Effect(acc=0.9, lfr=0.8) for head in every},
    )
    head_effects.file_of(run).parent.mkdir()
    head_effects.file_of(run).write_text(effects.model_dump_json())


def fixed_answer(doing: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Takes the place of the models."""
    if function.__name__ == "attend":
        weights = np.full((LAYERS, HEADS, TOKENS, TOKENS), 1 / TOKENS, dtype=np.float32)
        return Attention([f"t{i}" for i in range(TOKENS)], weights, np.arange(TOKENS) == 3)
    if function.__name__ == "attribute":
        return answers.Attributed([(word, 0.1) for word in arguments[1].split()], 0.0, 1.0)
    return [[answers.Said({"negative": 0.5, "positive": 0.5}) for _ in arguments[1]] for _ in arguments[0]]


def pages_ms(run: str, others: list[str]) -> dict[str, float]:
    """Milliseconds of every page that a session opens first with the run."""
    from pages.parts.common import ask
    from pages.parts.texts import head_switches

    ask.ask = fixed_answer  # type: ignore[assignment]
    head_switches.ask_once = ask.ask_once
    queries: dict[str, dict[str, str]] = {
        "attack": {},
        "defend": {"run": run},
        "heads": {"run": run},
        "attention": {"run": run, "view": "row"},
        "playground": {"run": run},
        "compare": {"runs": ",".join([run, *others])},
        "learn": {},
        "library": {},
        "studies": {},
    }
    return {page: first_ms(page, **query) for page, query in queries.items()}


def head_toggle(store: Store) -> float:
    """Milliseconds to switch off one more head on the playground, until the page is complete."""
    from backend.models.classifiers import load_classifier, load_tokenizer

    spec = presets.preset("demo")
    run = store.insert(spec, state="done", started=time.time())
    folder = run_folder(run) / "fine_tuned"
    load_classifier(spec.model, ["negative", "positive"], seed=0)[0].save_pretrained(folder)
    load_tokenizer(spec.model).save_pretrained(folder)
    app = open_page("playground", run=run, text="a warm and funny film that never runs out of ideas")
    run_once(app)
    taken = []
    for number in range(1, TIMES + 1):
        app.multiselect(key=f"silenced-{run}").set_value([(0, head) for head in range(number)])
        taken.append(milliseconds(partial(run_once, app), 1))
    return statistics.median(taken)


def first_paint(folder: str) -> dict[str, Any]:
    """Seconds from the command to the heading on the screen, the median of several starts with nothing in
    the browser's cache, and whether the server loaded torch."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import SWITCHES, chromium

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=SWITCHES)
        started = [first_start(browser.new_context().new_page(), folder) for _ in range(STARTS)]
    return {
        "seconds": statistics.median(seconds for seconds, _ in started),
        "each": [seconds for seconds, _ in started],
        "torch_loaded": any(loaded for _, loaded in started),
    }


def first_start(page: Any, folder: str) -> tuple[float, bool]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "backend", "dashboard", "--no-demo", "--port", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    began = time.perf_counter()
    started = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"EXCISE_HOME": folder}, **quiet)
    try:
        while not listens(port):
            time.sleep(0.02)
        page.goto(f"http://127.0.0.1:{port}")
        page.wait_for_selector("h1", timeout=60_000)
        seconds = time.perf_counter() - began
        servers = psutil.Process(started.pid).children()
        return seconds, any(
            "libtorch" in mapped.path for server in servers for mapped in server.memory_maps()
        )
    finally:
        started.terminate()
        started.wait()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--runs", type=int, default=1000)
    arguments.add_argument("--steps", type=int, default=150)
    arguments.add_argument("--json", type=Path, help="a file to write the figures to")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as fresh:
        os.environ["EXCISE_HOME"] = folder
        os.environ.setdefault("EXCISE_CACHE", str(Path("~/.excise/cache").expanduser()))
        from pages.parts.common import supervisor

        supervisor.supervise = lambda stop: None  # no worker: no run may start here
        store = open_store()
        done, live = fill(store, options.runs, options.steps)
        write_artifacts(done)
        overview, run_page = open_page(), open_page("runs", run=done)
        run_once(run_page)
        if not any(done in str(caption.value) for caption in run_page.caption):
            sys.exit("The run was not opened.")
        figures = {
            "machine": machine(),
            "runs": options.runs,
            "steps": options.steps,
            "overview_ms": milliseconds(lambda: run_once(overview)),
            "open_run_first_ms": first_ms("runs", run=done),
            "open_run_ms": milliseconds(lambda: run_once(run_page)),
            "refresh_ms": refresh(store, live, options.steps),
            "head_toggle_ms": head_toggle(store),
            "pages_first_ms": pages_ms(done, [record.id for record in store.runs(limit=5)][2:]),
            "first_paint": {"no_runs": first_paint(fresh), "these_runs": first_paint(folder)},
        }
    text = json.dumps(figures, indent=1)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
