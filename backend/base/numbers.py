"""Numbers formatted for people: rates in percent, intervals, durations, ages."""

import time

from backend.base.events import Interval

# A no-break space keeps a number and its unit on one line.
GAP = "\u00a0"


def percent(share: float | None) -> str:
    """`0.9161` as `91.6 %`; a dash where there is no number."""
    return "–" if share is None else f"{100 * share:.1f}{GAP}%"


def interval(bounds: Interval | None) -> str:
    """A 95 % interval as `90.4–92.7 %`."""
    return "" if bounds is None else f"{100 * bounds[0]:.1f}–{100 * bounds[1]:.1f}{GAP}%"


def with_interval(share: float | None, bounds: Interval | None) -> str:
    """A share with its 95 % interval, `91.6 % (90.4–92.7 %)`; without one where there is none."""
    return f"{percent(share)} ({interval(bounds)})" if bounds else percent(share)


def points(before: float | None, after: float | None) -> str | None:
    """The change from `before` to `after` in percentage points, None where either is absent."""
    if before is None or after is None:
        return None
    # Streamlit reads the sign to colour it, and it must be the ASCII one.
    return f"{rounded(100 * (after - before), 1):+.1f}{GAP}points"


def rounded(number: float, places: int) -> float:
    """Rounded; zero without a minus sign."""
    return round(number, places) + 0.0


def duration(seconds: float | None) -> str:
    """`200` as `3 min 20 s`; a dash where there is no number."""
    if seconds is None:
        return "–"
    rounded_seconds = max(0, round(seconds))
    if rounded_seconds < 60:
        return f"{rounded_seconds}{GAP}s"
    if rounded_seconds < 3600:
        return f"{rounded_seconds // 60}{GAP}min {rounded_seconds % 60}{GAP}s"
    return f"{rounded_seconds // 3600}{GAP}h {rounded_seconds % 3600 // 60}{GAP}min"


def age(when: float, now: float | None = None) -> str:
    """How long ago `when` (seconds since the epoch) was, in its largest unit."""
    seconds = max(0.0, (time.time() if now is None else now) - when)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{GAP}{unit} ago"
    return "just now"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """`1 head`, `7,913 rows`."""
    return f"{number:,}{GAP}{singular if number == 1 else plural or singular + 's'}"
