"""Whether the best strategy depends on the trigger, or on the seed."""

import numpy as np
from scipy.stats import friedmanchisquare, rankdata

from backend.studies.built_in import PAPER_STRATEGIES
from backend.studies.exports import markdown_table
from benchmarks.replication_study import SEEDS, Found, place_of

TITLE = "Do the six strategies keep their rank from seed to seed?"
MEANING = """\
By LFR of the last model. Kendall's W is 1 where all seeds rank the six alike; of ranks drawn by chance it is
a third on average with three seeds. p is that of Friedman's test. Only seeds with all six."""


def ranked(found: list[Found], victims: list[str]) -> list[str]:
    """As Markdown; nothing where no trigger has enough seeds."""
    rows = _rows(found, victims)
    return [f"## {TITLE}", "", MEANING, "", markdown_table(rows), ""] if rows else []


def _rows(found: list[Found], victims: list[str]) -> list[dict[str, str]]:
    """A row for each trigger that has all six with two seeds or more: the lowest of each seed, and how far
    their ranks agree."""
    lfr = {
        place_of(cell): cell["metrics"]["defended"]["lfr"]
        for cell in found
        if cell["state"] == "done" and cell["defense"] in PAPER_STRATEGIES and "defended" in cell["metrics"]
    }
    rows = []
    for victim in victims:
        by_seed = {
            seed: [lfr[victim, name, seed] for name in PAPER_STRATEGIES]
            for seed in SEEDS
            if all((victim, name, seed) in lfr for name in PAPER_STRATEGIES)
        }
        if len(by_seed) > 1:
            lowest = [list(PAPER_STRATEGIES)[int(np.argmin(values))] for values in by_seed.values()]
            rows.append(
                {
                    "Trigger": victim,
                    "Seeds": ", ".join(map(str, by_seed)),
                    "Lowest": ", ".join(lowest),
                    **_agreement(np.array(list(by_seed.values()))),
                }
            )
    return rows


def _agreement(values: np.ndarray) -> dict[str, str]:
    """Kendall's W and Friedman's p; `values` are seeds × strategies."""
    seeds, strategies = values.shape
    sums = np.array([rankdata(row) for row in values]).sum(axis=0)
    most = seeds**2 * (strategies**3 - strategies) / 12
    w = float(((sums - sums.mean()) ** 2).sum() / most)
    p = float(friedmanchisquare(*values.T).pvalue) if seeds > 2 else None
    return {"Kendall's W": f"{w:.2f}", "p": "–" if p is None else f"{p:.2f}"}
