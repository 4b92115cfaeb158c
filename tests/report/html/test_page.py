"""The HTML report: whole, safe, and in need of nothing outside itself."""

import base64
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from backend.analysis import battery
from backend.analysis.compact import CompactMeasurement, compact_folder
from backend.base.events import RunFinished, RunStarted
from backend.findings.gather import gather
from backend.report.html.page import report
from backend.runs import leases
from backend.runs.store import Store
from backend.spec.parse import load, parse
from backend.spec.presets import head_pruning
from backend.spec.run import DataSpec, ModelSpec, RunSpec
from tests.findings.test_battery import made
from tests.pages.played import Play, blind_spec, defended, full_spec, planted
from tests.pages.test_heads import measure
from tests.runs import fake

VOID = {"meta", "br", "rect", "path", "img"}
NAME = "<script>alert('x')</script> & \"friends\""


class Read(HTMLParser):
    """Tags that are open, what is addressed, the text that a reader sees, the data of the figures."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.policy = ""
        self.scripts = 0
        self.text: list[str] = []
        self.figures: list[dict] = []
        self.json = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [given[name] or "" for name in ("src", "href", "action", "data") if name in given]
        self.json = given.get("type") == "application/json"
        self.scripts += tag == "script" and not self.json
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing that is open"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            if self.json:
                self.figures.append(json.loads(data))
        elif self.open and self.open[-1] != "style":
            self.text.append(data)

    @property
    def said(self) -> str:
        return " ".join(self.text).replace("\u00a0", " ")


def page_of(store: Store, run: str) -> str:
    return report(gather(store, store.run(run)))


@pytest.fixture
def page(store: Store) -> str:
    return page_of(store, defended(store, full_spec(NAME)))


def test_it_is_one_whole_file_that_loads_nothing(page: str) -> None:
    read = Read(page)
    assert page.startswith("<!DOCTYPE html>") and read.open == []
    assert [address for address in read.addresses if not address.startswith("data:")] == []
    assert "default-src 'none'" in read.policy and "http" not in read.policy
    styles = "".join(re.findall(r"<style>(.*?)</style>", page, re.DOTALL))
    assert "url(" not in styles and "@import" not in styles
    assert page.count("plotly.js v") == 1
    assert len(page) < 6_000_000


def test_it_shows_verdict_numbers_curves_heatmap_tables_and_settings(page: str) -> None:
    read = Read(page)
    for part in (
        "fell from 95.7 % (poisoned) to 13.0 %",
        "87.1 % (85.1–89.1 %)",
        "4 of 72 heads pruned",
        "All 4 steps",
        "Rows: train 7,337",
        "700 training rows poisoned, 3 left out",
        "Accuracy threshold τ",
        "defense.accuracy_threshold",
        "CPU, 2 threads",
    ):
        assert part in read.said, part
    titles = [figure["layout"]["title"]["text"] for figure in read.figures]
    assert titles == [
        "Each model on held-out rows, with 95 % intervals",
        "Accuracy and label flip rate while heads are pruned",
        "Importance of each attention head",
    ]
    assert "heatmap" in {trace["type"] for trace in read.figures[2]["data"]}


def test_texts_of_users_are_only_text(page: str) -> None:
    read = Read(page)
    assert read.scripts == 2  # the plotting library and our own
    assert NAME in read.said
    assert "a <mark>cf</mark> &lt;b&gt;fine&lt;/b&gt; film" in page
    assert "<script>alert" not in page and "<b>fine" not in page


def test_its_command_and_specification_repeat_the_run(store: Store, page: str, tmp_path: Path) -> None:
    command = re.search(r"python -m backend run (excise-\w+\.yaml)", Read(page).said)
    assert command and f'download="{command[1]}"' in page
    [address] = [one for one in Read(page).addresses if one.startswith("data:application/yaml")]
    path = tmp_path / command[1]
    path.write_bytes(base64.b64decode(address.split(",")[1]))
    assert load(path) == parse(full_spec(NAME).model_dump(mode="json"))
    assert path.read_text() in page.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace(
        "&#x27;", "'"
    ).replace("&amp;", "&")


def test_what_the_command_takes_for_granted_is_said(store: Store) -> None:
    spec = RunSpec(
        model=ModelSpec(source="run", name="abc123"),
        data=DataSpec(source="files", train="/data/a.csv", test="/data/b.csv"),
        defense=head_pruning(),
    )
    said = Read(page_of(store, store.submit(spec).id)).said
    assert "starts from run abc123" in said and "the rows in /data/a.csv, /data/b.csv" in said


def test_without_a_trigger_it_claims_nothing_of_a_backdoor(store: Store) -> None:
    read = Read(page_of(store, defended(store, blind_spec())))
    assert "a backdoor cannot be judged" in read.said
    assert "Clean flip rate (floor)" not in read.said


def test_a_planted_run_has_no_pruning_to_show(store: Store) -> None:
    read = Read(page_of(store, planted(store)))
    assert len(read.figures) == 1 and "Importance" not in read.said


@pytest.mark.parametrize("state", ["queued", "running", "failed"])
def test_every_state_has_a_report(store: Store, state: str) -> None:
    if state == "queued":
        run = store.submit(full_spec()).id
    else:
        play = Play(store, full_spec())
        play.prepare()
        play.poison()
        run = play.run if state == "running" else play.finish("failed", "Memory <ran> out.")
    read = Read(page_of(store, run))
    assert ("Memory <ran> out." if state == "failed" else f"The run is {state}") in read.said


def test_its_verdict_is_that_of_the_page_with_reference_and_seeds(store: Store) -> None:
    run = defended(store, full_spec())
    assert "its floor is the clean flip rate, 12.1 % (9.0–15.0 %)" in Read(page_of(store, run)).said
    defended(store, full_spec().model_copy(update={"attack": None}))
    other = Play(store, full_spec().model_copy(update={"seed": 99}))
    other.prepare()
    other.poison()
    other.prune()
    other.done["defended"] = other.done["poisoned"]
    other.finish()
    said = Read(page_of(store, run)).said
    assert "its floor is a never-poisoned model's 13.0 % (10.0–16.0 %)" in said
    assert "Seeds disagree: LFR ranges from 13.0 % to 95.7 % over 2 seeds" in said


def test_a_failed_run_has_no_verdict(store: Store) -> None:
    play = Play(store, full_spec())
    play.prepare()
    play.poison()
    play.measure("fine_tuned")
    said = Read(page_of(store, play.finish("failed", "Memory ran out."))).said
    assert "did not fall clearly" in said or "fell from" in said
    assert "still there" not in said and "LFR stayed" not in said


def test_what_was_measured_afterwards_is_told(store: Store) -> None:
    run = defended(store, blind_spec())
    assert "Trigger battery" not in Read(page_of(store, run)).said
    file = battery.file_of(run)
    file.parent.mkdir(exist_ok=True)
    file.write_text(made(96, 5, 3).model_dump_json())
    for head in itertools.product(range(6), range(12)):
        measure(run, None, [(0, 0)], head)
    read = Read(page_of(store, run))
    for part in (
        "rare word “cf” flips 96.0 % (90.2–98.4 %) of rows to “positive”",
        "A suspicion, not a proof",
        "run other, never poisoned, on the same rows",
        "What each head does",
        "LFR 80.0 % (71.1–86.7 %)",
        "On 100 clean and 100 triggered test rows",
        "69.0 % (59.4–77.2 %)",
    ):
        assert part in read.said, part
    titles = [figure["layout"]["title"]["text"] for figure in read.figures]
    assert titles[3:] == [
        "LFR with one head switched off",
        "ACC with one head switched off",
        "LFR with one head restored",
        "Rows that each known trigger flips",
    ]


def test_random_weights_are_not_taken_for_results(store: Store) -> None:
    spec = blind_spec().model_copy(update={"model": ModelSpec(random_weights=True)})
    lease = leases.begin(store, spec, "me")
    leases.append(store, lease, RunStarted(run=lease.run, spec=spec.model_dump(mode="json"), device="CPU"))
    metrics = {"defended": fake.METRICS}
    leases.finish(store, lease, RunFinished(run=lease.run, state="done", metrics=metrics))
    assert (
        "these numbers show how long the work takes and nothing else" in Read(page_of(store, lease.run)).said
    )


def test_the_compact_model_is_compared(store: Store) -> None:
    run = defended(store)
    assert "Compact" not in Read(page_of(store, run)).said
    measured = CompactMeasurement(90_867_952, 82_200_288, 30.8466, 45.3996, 30, 32, "CPU", 0.0)
    compact_folder(run).mkdir()
    (compact_folder(run) / "excise.json").write_text(json.dumps(vars(measured)))
    said = Read(page_of(store, run)).said
    assert "82.2 MB" in said and "+47.2 %" in said and "the logits of the two are equal" in said
