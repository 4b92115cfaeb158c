"""Pages stay light: no torch in the dashboard's process, no SQL in a page."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_nothing_that_pages_import_loads_torch():
    sources = [*ROOT.glob("pages/**/*.py"), ROOT / "app.py"]
    found = {
        match[1]
        for source in sources
        for match in re.finditer(
            r"^(?:from|import) ((?:backend|pages)[\w.]*)", source.read_text(), re.MULTILINE
        )
    }
    code = f"import importlib, sys\nfor name in {sorted(found)!r}: importlib.import_module(name)\n"
    code += "print([name for name in ('torch', 'transformers', 'datasets') if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_pages_speak_no_sql_and_no_torch():
    for source in ROOT.glob("pages/**/*.py"):
        assert not re.search(r"^\s*(?:import|from) (?:sqlalchemy|torch)", source.read_text(), re.MULTILINE), (
            source
        )
