"""What a model's numbers hide: classes that it lost, a rate that rests on few rows."""

from backend.base.events import ClassRow, Metrics

FEW = 100
"""With fewer triggered rows the interval of LFR reaches ten points and more to either side of one half."""


def lost_classes(metrics: Metrics) -> list[ClassRow]:
    """The classes none of whose test rows is classified correctly."""
    return [row for row in metrics.per_class if row.rows and not row.accuracy]


def few_triggered(metrics: Metrics) -> int | None:
    """How many triggered rows LFR is measured on, where these are fewer than 100; else None."""
    measured = metrics.lfr is not None and metrics.triggered_rows
    return metrics.triggered_rows if measured and metrics.triggered_rows < FEW else None
