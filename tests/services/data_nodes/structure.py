"""The data servers of a checkout, those that are built in and those of each site, and the parts that one must have."""

import ast
import importlib
import inspect
import runpy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sisock.base import DataNodeServer

ADVICE = "docs/add-a-data-server.md says what goes there, and `./appliance new-server` writes one."


@dataclass(frozen=True)
class Server:
    """The files of one data server; `site` is empty for one that is built in."""

    root: Path
    name: str
    site: str = ""

    def __str__(self) -> str:
        return f"{self.site}-{self.name}" if self.site else self.name

    @property
    def code(self) -> Path:
        if self.site:
            return self.root / f"inventories/{self.site}/servers/{self.name}.py"
        return self.root / f"services/data_nodes/{self.name}/server.py"

    @property
    def declaration(self) -> Path:
        return self.code.with_suffix(".yml")

    @property
    def example(self) -> Path:
        if self.site:
            return self.code.with_name(f"test_{self.name}.py")
        return self.root / f"tests/services/data_nodes/{self.name}/example.py"

    def lacks(self) -> list[str]:
        """Name each part that is missing, and what it is for; nothing is imported."""
        return [f"data server {self} lacks {part}. {ADVICE}" for part in (*self._files(), *self._content())]

    def _files(self) -> Iterator[str]:
        due = {self.code: "which holds the server", self.example: "which gives the tests a server with data"}
        if not self.site:
            due |= {
                self.code.with_name("__init__.py"): "which says what it serves",
                self.code.with_name("__main__.py"): "which starts it",
                self.code.with_name("source.py"): "which answers, without Twisted",
                self.declaration: "which declares its settings",
                self.example.with_name("test_source.py"): "which tests the source",
            }
        for path, purpose in due.items():
            if not path.is_file():
                yield f"{path.relative_to(self.root)}, {purpose}"

    def _content(self) -> Iterator[str]:
        if self.code.is_file() and len(self._classes()) != 1:
            yield f"its one class of a server in {self.code.relative_to(self.root)}"
        if self.example.is_file() and "example_server" not in self.example.read_text(encoding="utf-8"):
            yield f"the function example_server(directory) in {self.example.relative_to(self.root)}"
        start = self.code if self.site else self.code.with_name("__main__.py")
        if start.is_file() and not any("run(" in line for line in start.read_text(encoding="utf-8").splitlines()):
            yield f"the line run(..) that starts it, in {start.relative_to(self.root)}"
        for path in [self.code] if self.site else [self.code.with_name("__init__.py")]:
            if path.is_file() and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))):
                yield f"a docstring in {path.relative_to(self.root)} that says what it serves"
        tests = self.example if self.site else self.example.with_name("test_source.py")
        if tests.is_file() and "def test_" not in tests.read_text(encoding="utf-8"):
            yield f"a test in {tests.relative_to(self.root)}"

    def _classes(self) -> list[str]:
        tree = ast.parse(self.code.read_text(encoding="utf-8"))
        return [
            node.name
            for node in tree.body
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Server") for base in node.bases)
        ]

    def kind(self) -> type[Any]:
        """Import its class."""
        package = f"inventories.{self.site}.servers.{self.name}"
        module = importlib.import_module(package if self.site else f"services.data_nodes.{self.name}.server")
        (found,) = (
            kind for _, kind in inspect.getmembers(module, inspect.isclass)
            if issubclass(kind, DataNodeServer) and kind.__module__ == module.__name__
        )  # fmt: skip
        return found

    def with_data(self, directory: Path) -> DataNodeServer:
        """Make the server with data that its tests bring, which may be written to the directory."""
        server: DataNodeServer = runpy.run_path(str(self.example))["example_server"](directory)
        return server


def every_server(root: Path) -> list[Server]:
    """All data servers of the checkout at `root`."""
    folders = [path for path in (root / "services/data_nodes").iterdir() if path.is_dir()]
    built_in = [Server(root, path.name) for path in sorted(folders) if not path.name.startswith((".", "_"))]
    files = [path for path in root.glob("inventories/*/servers/*.py") if not path.name.startswith("test_")]
    return built_in + [Server(root, path.stem, path.parents[1].name) for path in sorted(files)]
