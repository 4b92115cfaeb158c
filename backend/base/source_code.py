"""Which of Excise's own code a result depends on: a module's file and, in turn, all that it imports.

Components are imported by name alone, so a result does not depend on the components beside the one it uses,
nor on pages and reports, which lie above."""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

from backend.base.files import file_hash

ROOT = Path(__file__).parents[1]


class SourceCode:
    """The package in the folder `root`, with the hashes of its files when this is created."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._hashes = {self._module(path): file_hash(path) for path in sorted(root.rglob("*.py"))}
        self._imports: dict[str, set[str]] = {}

    def file_of(self, module: str) -> str:
        """The SHA-256 of a module's file; empty where the package has no such module."""
        return self._hashes.get(module, "")

    def code_hash(self, *modules: str, within: str | tuple[str, ...] = "") -> str:
        """One hash of these modules' files and of all that they import of the package, or `within` rooms."""
        names = [name for name in sorted(self.code_of(*modules)) if name.startswith(within)]
        files = "\n".join(f"{name} {self._hashes[name]}" for name in names)
        return hashlib.sha256(files.encode()).hexdigest()

    def code_of(self, *modules: str) -> set[str]:
        """The names of these modules and of all that they import of the package, directly or not."""
        names: set[str] = set()
        waiting = list(modules)
        while waiting:
            module = waiting.pop()
            if module in self._hashes and module not in names:
                names.add(module)
                waiting += self._imports_of(module)
        return names

    def _imports_of(self, module: str) -> set[str]:
        """The modules that a module imports anywhere, but for types alone, and their packages."""
        if module not in self._imports:
            path = self._path(module)
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            names = {module, *_imported(ast.parse(path.read_text(encoding="utf-8")), package)}
            self._imports[module] = {part for name in names for part in _with_packages(name)}
        return self._imports[module]

    def _path(self, module: str) -> Path:
        path = self._root.parent.joinpath(*module.split("."))
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

    def _module(self, path: Path) -> str:
        return ".".join(path.relative_to(self._root.parent).with_suffix("").parts).removesuffix(".__init__")


def _imported(tree: ast.AST, package: str) -> Iterator[str]:
    """The modules that code in `package` imports; `from a import b` may import the module a.b."""
    for node in _run_time(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node outside `if TYPE_CHECKING:`."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def _with_packages(module: str) -> list[str]:
    """A module's name and those of the packages around it."""
    parts = module.split(".")
    return [".".join(parts[:size]) for size in range(1, len(parts) + 1)]


# Hashed when the engine is imported, while the files are still those that were imported.
_IMPORTED = SourceCode()
code_hash = _IMPORTED.code_hash
file_of = _IMPORTED.file_of
