"""The house: which room may import from which.  Rooms and floors are those of CONTRIBUTING.md."""

import ast
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
FLOORS = (
    {"app", "benchmarks", "tools"},
    {"pages", "backend.__main__"},
    {"backend.cli"},
    {"backend.report"},
    {"backend.findings"},
    {"backend.studies", "backend.library", "backend.analysis"},
    {"backend.runs"},
    {"backend.engine"},
    {"backend.attacks", "backend.defenses", "backend.detection"},
    {"backend.strategies"},
    {"backend.pruning"},
    {"backend.training", "backend.evaluation"},
    {"backend.models"},
    {"backend.heads"},
    {"backend.data"},
    {"backend.spec"},
    {"backend.base"},
    {"backend"},
)
"""From the top: a room imports from the floors below its own, and not from another of its own."""
HEIGHT = {room: len(FLOORS) - number for number, floor in enumerate(FLOORS) for room in floor}
WITHOUT_TORCH = {
    f"backend.{room}"
    for room in (
        *("base", "spec", "attacks", "strategies", "defenses"),
        *("runs", "studies", "library", "findings", "report"),
    )
}
Imports = Mapping[str, set[str]]


def modules_of(root: Path) -> dict[str, Path]:
    """Every module of the program by its name."""
    files = [*root.glob("*.py")]
    for folder in ("backend", "pages", "benchmarks", "tools"):
        files += root.glob(f"{folder}/**/*.py")
    return {".".join(p.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): p for p in files}


def room_of(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "backend" else parts[0]


def nodes_of(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def named_in(nodes: list[ast.AST]) -> set[str]:
    """What is imported, by its whole name; those for types and inside functions too."""
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, "imports are by whole names"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imports_of(modules: Mapping[str, Path]) -> Imports:
    """For each module the modules of the program that it imports; a package only where nothing within is."""
    found: dict[str, set[str]] = {}
    for module, path in modules.items():
        known = named_in(nodes_of(path)) & modules.keys()
        found[module] = {one for one in known if not any(other.startswith(f"{one}.") for other in known)}
    return found


def upward(modules: Mapping[str, Path], imports: Imports) -> list[str]:
    """Imports from a floor above, or from another room of the same floor."""
    return [
        f"{modules[module]} imports {other}"
        for module, others in sorted(imports.items())
        for other in sorted(others)
        if room_of(module) != room_of(other) and HEIGHT[room_of(other)] >= HEIGHT[room_of(module)]
    ]


def circles(imports: Imports) -> list[list[str]]:
    """Modules that import each other, over however many steps."""
    found = []
    for module in sorted(imports):
        left, seen = [(module, [module])], set()
        while left:
            at, way = left.pop()
            for other in imports[at]:
                if other == module:
                    found.append(way)
                elif other not in seen:
                    seen.add(other)
                    left.append((other, [*way, other]))
    return found


def test_no_import_goes_up() -> None:
    modules = modules_of(ROOT)
    assert upward(modules, imports_of(modules)) == []


def test_no_modules_import_each_other() -> None:
    assert circles(imports_of(modules_of(ROOT))) == []


def test_every_file_was_looked_at_and_stands_in_a_room() -> None:
    modules = modules_of(ROOT)
    folders = ("backend", "pages", "benchmarks", "tools")
    on_disk = {path for folder in folders for path in (ROOT / folder).rglob("*.py")}
    assert on_disk | {ROOT / "app.py"} == set(modules.values())
    assert {room_of(module) for module in modules} <= HEIGHT.keys(), "a room without a floor"


def test_nothing_lies_loose_at_the_top_of_the_backend() -> None:
    assert {path.name for path in (ROOT / "backend").glob("*.py")} == {"__init__.py", "__main__.py"}


def test_an_upward_import_and_a_circle_are_found(tmp_path: Path) -> None:
    for path, text in {
        "backend/base/numbers.py": "def f() -> None:\n    from backend.report import tables\n",
        "backend/report/tables.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
        "    from backend.report.words import a\n",
        "backend/report/words.py": "import backend.report.tables\n",
        "backend/strategies/mine.py": "from backend.base import numbers\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    modules = modules_of(tmp_path)
    imports = imports_of(modules)
    file = tmp_path / "backend" / "base" / "numbers.py"
    assert upward(modules, imports) == [f"{file} imports backend.report.tables"]
    assert ["backend.report.tables", "backend.report.words"] in circles(imports)


def importers(library: str, *, anywhere: bool) -> set[str]:
    """The modules that import a library, inside functions too or at their top alone."""
    found = set()
    for module, path in modules_of(ROOT).items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = named_in(list(ast.walk(tree)) if anywhere else list(tree.body))
        found |= {module} if library in {name.split(".")[0] for name in names} else set()
    return found


def test_the_backend_knows_no_streamlit_and_pages_neither_torch_nor_sql() -> None:
    assert not [one for one in importers("streamlit", anywhere=True) if one.startswith("backend")]
    for library in ("torch", "transformers", "sqlalchemy"):
        assert not [one for one in importers(library, anywhere=True) if room_of(one) in ("pages", "app")]


def test_what_only_describes_or_lists_imports_no_torch() -> None:
    heavy = importers("torch", anywhere=False) | importers("transformers", anywhere=False)
    assert {one for one in heavy if room_of(one) in WITHOUT_TORCH} == {"backend.base.device"}


def test_components_are_reached_through_their_registries() -> None:
    """Files of one kind may build on others of it; benchmarks may name one."""
    kinds = ("backend.attacks.triggers", "backend.strategies", "backend.defenses")
    shared = {"backend.strategies.params", "backend.strategies.nested"}
    wrong = [
        f"{module} imports {other}"
        for module, others in imports_of(modules_of(ROOT)).items()
        for other in others - shared
        for kind in kinds
        if other.startswith(f"{kind}.") and not module.startswith(kind)
        if room_of(module) not in ("benchmarks", "tools")
    ]
    assert wrong == []
