"""Bayesian uncertainty: heads whose [CLS] statistic is the least (or most) uncertain go first.

The statistic is measured in T passes with all dropout active (Monte-Carlo dropout, an
approximation of the posterior: Gal & Ghahramani, ICML 2016); its spread over the passes is the
epistemic uncertainty.  Two readings of the paper's text are offered as `spread`:
`sample`, mean over rows of the standard deviation over passes; `mean`, standard deviation over
passes of the mean over rows.  The importance of a head is its spread, or minus it where `order`
says that the highest goes first.
Source: arXiv 2508.20032, section 3, Bayesian uncertainty; defaults by evidence, see docs/demo.md.

`published`: an `eval()` inside the script's loop switches dropout off again, so its passes are identical
and their mean is the plain variance score; after a step that was given back it goes on with the next."""

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from backend.base.components import Strategy
from backend.base.errors import UserError
from backend.heads.order import HeadOrder, ascending
from backend.strategies.params import StrategyParams

if TYPE_CHECKING:
    from backend.pruning.defender import Defender


class BayesianParams(StrategyParams):
    passes: int = Field(5, ge=2, le=1000, title="Passes T", description="Forward passes with dropout active.")
    spread: Literal["mean", "sample"] = Field(
        "mean",
        title="Spread",
        description="Of the mean over rows (mean), or of each row and then averaged (sample).",
    )
    order: Literal["lowest", "highest"] = Field(
        "lowest", title="Goes first", description="Heads of the lowest or of the highest uncertainty."
    )


def bayesian(defender: "Defender", params: BayesianParams, variant: str = "paper") -> HeadOrder:
    if variant == "published":
        return replace(ascending(defender.cls_variance()), guardrail="go on")
    largest = 0.0
    means = []  # of a pass over the rows
    mean = squares = np.zeros(())  # of a row over the passes so far: its mean, and squared distances from it
    for number, values in enumerate(defender.cls_variance_passes(params.passes), start=1):
        largest = max(largest, float(np.abs(values).max()))
        means.append(values.mean(axis=0))
        if params.spread == "sample":
            deviation = values - mean
            mean = mean + deviation / number
            squares = squares + deviation * (values - mean)
    if params.spread == "mean":
        spread = np.stack(means).std(axis=0, ddof=1)
    else:
        spread = np.sqrt(squares / (params.passes - 1)).mean(axis=0)
    if spread.max() <= 1e-9 * largest:
        raise UserError(
            "The model has no dropout, so all passes give the same result and no head is more uncertain than "
            "another. Choose another strategy, or a model with dropout."
        )
    return ascending(spread if params.order == "lowest" else -spread)


COMPONENT = Strategy(
    name="bayesian",
    title="Bayesian uncertainty",
    summary="Heads are ordered by how uncertain their [CLS] statistic is under Monte-Carlo dropout.",
    params=BayesianParams,
    function=bayesian,
    variants=("paper", "published"),
    variant_notes={
        "published": (
            "In the authors' script dropout is off while the passes are made: their mean is the plain "
            "variance score. After a step that was given back it goes on with the next heads."
        )
    },
)
