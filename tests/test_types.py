"""mypy checks every file, none of them hidden by a folder of the same name."""

import shutil
from pathlib import Path

import pytest
from mypy.main import process_options

ROOT = Path(__file__).parents[1]


def on_disk(root: Path) -> set[str]:
    files = [*root.glob("backend/**/*.py"), *root.glob("pages/**/*.py"), root / "app.py"]
    return {path.relative_to(root).as_posix() for path in files}


def seen_by_mypy(root: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The files that `mypy`, called in that folder without arguments, would check."""
    monkeypatch.chdir(root)
    sources, _ = process_options([])
    return {source.path for source in sources if source.path}


def test_mypy_sees_every_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen_by_mypy(ROOT, monkeypatch) == on_disk(ROOT)


def test_a_folder_beside_a_page_of_its_name_would_be_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in (
        "backend/__init__.py",
        "pages/__init__.py",
        "pages/runs.py",
        "pages/runs/__init__.py",
        "app.py",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert on_disk(tmp_path) - seen_by_mypy(tmp_path, monkeypatch) == {"pages/runs.py"}
