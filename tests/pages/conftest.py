"""Pages under AppTest: no worker is started, and the data are a few rows."""

import json
import pkgutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backend.data.rows import Dataset, Rows
from backend.runs.store import Store, open_store
from pages import parts
from tests.pages.open_app import open_app

# A part that is first imported while a test replaces a function would keep the replacement for good.
for _part in pkgutil.walk_packages(parts.__path__, "pages.parts."):
    import_module(_part.name)


def few_rows() -> Dataset:
    texts = [f"row number {number} of a small set" for number in range(24)]
    rows = Rows(texts, [number % 2 for number in range(24)])
    return Dataset("small set", rows, rows, rows, ["negative", "positive"], ["Label column guessed: stars."])


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.parts.common.supervisor.supervise", lambda stop: None)
    monkeypatch.setattr("pages.parts.runs.actions.ensure_worker", lambda store: False)
    monkeypatch.setattr("backend.data.load", lambda spec, progress=None: few_rows())


@pytest.fixture
def store(excise_home: Path) -> Store:
    return open_store()


@pytest.fixture
def visit(store: Store) -> Callable[..., AppTest]:
    """Open a page with query parameters, as a browser would by its address."""

    def open_page(name: str, **query: str) -> AppTest:
        page = open_app()
        if name != "overview":
            page.switch_page(f"pages/{name}.py")
        for key, value in query.items():
            page.query_params[key] = value
        page.run()
        assert not page.exception
        return page

    return open_page


def words(page: AppTest) -> str:
    """All that the page says in sentences."""
    kinds = ("title", "subheader", "markdown", "caption", "error", "warning", "info", "html")
    parts = [str(element.value) for kind in kinds for element in page.get(kind) if hasattr(element, "value")]
    return "\n".join(parts).replace("\\", "").replace("\u00a0", " ")


def drawn(page: AppTest, title: str) -> dict[str, Any]:
    """The figure of that title, as plotly's data."""
    found = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    return next(one for one in found if one["layout"]["title"]["text"].startswith(title))


def numbers(page: AppTest) -> list[tuple[str, str]]:
    return [(metric.label, metric.value.replace("\u00a0", " ")) for metric in page.metric]
