"""Links that an earlier version gave, to runs that it left, open what they opened (see tests/test_frozen.py).

`selects` says for each part of the address which value one of the page's fields then has, and none without
it; `says` the same of the page's words.  Runs stand in the links by what they are."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.frozen import doors
from tests.frozen.doors import FROZEN, HOME
from tests.pages import test_states
from tests.pages.conftest import words

LINKS = json.loads((FROZEN / "page_links.json").read_text())
RUNS: dict[str, str] = json.loads((FROZEN / "runs.json").read_text())
FIELDS = ("selectbox", "multiselect", "text_input", "text_area", "number_input", "button_group", "slider")
FIELDS += ("toggle",)


@pytest.fixture(autouse=True)
def _asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_states, "LAYERS", 2)
    monkeypatch.setattr(test_states, "HEADS", 4)
    monkeypatch.setattr("pages.parts.common.ask.ask", test_states.answer)


@pytest.fixture
def store(excise_home: Path) -> Any:
    doors.settle(excise_home)
    return doors.store()


def held(page: AppTest) -> set[str]:
    """The values of the page's fields."""
    values = [element.value for kind in FIELDS for element in page.get(kind)]
    return {str(one) for value in values for one in (value if isinstance(value, list) else [value])}


def named(text: str, home: Path) -> str:
    """With the ids of the runs that it names, and the state folder."""
    if text in RUNS or all(part in RUNS for part in text.split(",")):
        return ",".join(RUNS[part] for part in ([text] if text in RUNS else text.split(",")))
    return text.replace(HOME, str(home))


@pytest.mark.parametrize("link", LINKS, ids=lambda link: f"{link['page']} {link['query']}")
def test_a_frozen_link_selects_what_it_did(
    link: dict[str, Any], visit: Callable[..., AppTest], excise_home: Path
) -> None:
    query = {name: named(value, excise_home) for name, value in link["query"].items()}

    def without(part: str) -> AppTest:
        return visit(link["page"], **{name: value for name, value in query.items() if name != part})

    for part, value in link.get("selects", {}).items():
        wanted = named(value, excise_home) if isinstance(value, str) else str(value)
        assert wanted not in held(without(part)), part
        page = visit(link["page"], **query)
        assert wanted in held(page), (part, held(page))
    for part, value in link.get("says", {}).items():
        wanted = named(value, excise_home)
        assert wanted not in words(without(part)), part
        assert wanted in words(visit(link["page"], **query)), part
