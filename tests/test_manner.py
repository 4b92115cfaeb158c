"""The manner of the tests: they go through the front door, and lie where the module that they test lies."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAM = ("app", "backend", "benchmarks", "pages", "tests", "tools")
OF_LIBRARIES = {"_attn_implementation", "_exit"}
"""Private by their names, and yet the way that a library says to take."""
ROOMS_WITHOUT_MODULES = {"browser", "frozen", "pages"}
"""Tests of what the user sees, or of what earlier versions left, over many modules."""
OVER_SEVERAL_MODULES: Mapping[str, str] = {
    "engine/test_interrupted.py": "runs that end in the midst of any step, and go on",
    "strategies/test_published.py": "what the authors' scripts compute, where a strategy has that variant",
}
"""Of a room's tests, those that no one module can lend its name, and why."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name != "_"


def private_names(path: Path) -> Iterator[tuple[int, str]]:
    """Lines at which a test imports, patches or reads what the program keeps to itself.

    A name on `self` is the test's own, and what a library keeps to itself is no concern of ours."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PROGRAM:
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Attribute) and not is_own(node.value):
            names = [node.attr] if node.attr not in OF_LIBRARIES else []
        elif isinstance(node, ast.Call) and patches(node.func):
            names = patched(node.args)
        yield from ((node.lineno, name) for name in names if is_private(name))


def is_own(value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id in ("self", "cls")


def patched(arguments: list[ast.expr]) -> list[str]:
    """The parts of the name that is given as text: a whole path, or an attribute of the first argument."""
    for argument in arguments[:2]:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            parts = argument.value.split(".")
            return parts if len(parts) == 1 or parts[0] in PROGRAM else []
    return []


def patches(function: ast.expr) -> bool:
    """Whether a call of it has another thing in a name's place: `monkeypatch.setattr`, `patch.object`."""
    if isinstance(function, ast.Name):
        return function.id in ("setattr", "patch")
    return isinstance(function, ast.Attribute) and function.attr in ("setattr", "delattr", "patch", "object")


def test_no_test_reaches_for_a_private_name() -> None:
    files = sorted((ROOT / "tests").rglob("*.py"))
    found = [
        f"{file.relative_to(ROOT)}:{line} {name}" for file in files for line, name in private_names(file)
    ]
    assert len(files) > 100 and found == []


def test_a_private_name_is_found(tmp_path: Path) -> None:
    planted = tmp_path / "test_planted.py"
    planted.write_text(
        "from backend.runs.execution import _heartbeat\n"
        "from backend.analysis import battery\n"
        "import huggingface_hub\n"
        "class Stand:\n"
        "    def __init__(self): self._own = self.__class__\n"
        "def test_it(monkeypatch):\n"
        "    monkeypatch.setattr(battery, '_folder', None)\n"
        "    monkeypatch.setattr('backend.analysis.lessons._make_model', None)\n"
        "    monkeypatch.setattr('huggingface_hub.utils._cache_manager.HF_HUB_CACHE', '_')\n"
        "    monkeypatch.setattr(\n"
        "        battery, '_kept', '_value')\n"
        "    battery._loaded.clear()\n",
        encoding="utf-8",
    )
    assert sorted(private_names(planted)) == [
        (1, "_heartbeat"),
        (7, "_folder"),
        (8, "_make_model"),
        (10, "_kept"),
        (12, "_loaded"),
    ]


def without_a_module(root: Path) -> list[str]:
    """Tests in a room that no module of the same name stands beside.

    `tests/a/b/test_c.py` tests `backend/a/b/c.py`, `tests/a/test_a.py` what that room does as one."""
    found = []
    for test in sorted((root / "tests").glob("*/**/test_*.py")):
        place = test.relative_to(root / "tests")
        name, room = test.stem.removeprefix("test_"), place.parent
        code = root if room.parts[0] == "benchmarks" else root / "backend"
        if room.parts[0] in ROOMS_WITHOUT_MODULES or place.as_posix() in OVER_SEVERAL_MODULES:
            continue
        if not (code / room / f"{name}.py").is_file() and (name != room.name or not (code / room).is_dir()):
            found.append(f"tests/{place.as_posix()}")
    return found


def test_tests_lie_where_their_modules_lie() -> None:
    assert without_a_module(ROOT) == []
    for place in OVER_SEVERAL_MODULES:
        assert (ROOT / "tests" / place).is_file(), f"{place} is gone: strike it from the list"


def test_a_test_without_a_module_is_found(tmp_path: Path) -> None:
    for path in (
        "backend/data/splits.py",
        "tests/data/test_splits.py",
        "tests/data/test_data.py",
        "tests/data/test_words.py",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert without_a_module(tmp_path) == ["tests/data/test_words.py"]
