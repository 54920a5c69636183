"""How the house is built: lines, files, who imports whom. `python benchmarks/house.py`, or `--rev COMMIT` for another.

The structure is read from the sources, nothing of them is run, except for the way of a film into a batch: that is
followed while a folder of pictures is loaded (of this revision only).
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
CORE, APP = "gan_core", "studio"
PAGES = ("gallery", "explore", "compare", "study", "train", "runs", "evaluate", "models", "export", "learn")
CHARTS = ("altair", "matplotlib", "plotly", "pyecharts", "bokeh")
# Streamlit's own elements -> what draws them.
ELEMENTS = {"altair_chart": "altair", "vega_lite_chart": "altair", "echarts_chart": "echarts", "plotly_chart": "plotly"}
ELEMENTS |= dict.fromkeys(("area_chart", "bar_chart", "line_chart", "scatter_chart"), "altair")


class House:
    """The Python of a checkout: its modules and their imports of each other."""

    def __init__(self, root: Path) -> None:
        self.root = root
        places = [root / "app.py", *(p for d in (CORE, APP, "pages") for p in (root / d).rglob("*.py"))]
        self.files = {self._name(p): p for p in places if p.is_file()}
        self.trees = {name: ast.parse(p.read_text(encoding="utf-8")) for name, p in self.files.items()}
        self.imports = {name: set(self._imports(tree)) for name, tree in self.trees.items()}

    def _name(self, path: Path) -> str:
        return ".".join(path.relative_to(self.root).with_suffix("").parts).removesuffix(".__init__")

    def _imports(self, tree: ast.Module) -> Iterable[str]:
        """Modules of the house that a module imports; those for type checking alone are left out."""
        typing = {
            id(child)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            for child in ast.walk(node)
        }
        for node in ast.walk(tree):
            if id(node) in typing:
                continue
            if isinstance(node, ast.Import):
                yield from (a.name for a in node.names if a.name in self.files)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for a in node.names:
                    full = f"{node.module}.{a.name}"
                    if full in self.files:
                        yield full
                    elif node.module in self.files:
                        yield node.module

    def third_party(self, module: str) -> set[str]:
        """The top-level names of all that a module imports."""
        found = set()
        for node in ast.walk(self.trees[module]):
            if isinstance(node, ast.Import):
                found |= {a.name.split(".")[0] for a in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
        return found

    def lines(self, modules: Iterable[str]) -> int:
        """Lines of these modules' files."""
        return sum(len(self.files[m].read_text(encoding="utf-8").splitlines()) for m in modules)

    def below(self, package: str) -> list[str]:
        """A package's modules."""
        return [m for m in self.files if m == package or m.startswith(f"{package}.")]

    def reached(self, module: str) -> set[str]:
        """A module and all that it imports, directly or not, with the packages that they lie in."""
        seen: set[str] = set()
        waiting = [module]
        while waiting:
            name = waiting.pop()
            if name in seen or name not in self.files:
                continue
            seen.add(name)
            waiting += self.imports[name]
            waiting += [name.rpartition(".")[0]] if "." in name else []
        return seen

    def upward(self) -> list[tuple[str, str]]:
        """Imports from the core to the application, and from the application to a page."""
        rank = {CORE: 0, APP: 1, "pages": 2, "app": 3}
        return sorted(
            (a, b) for a, of in self.imports.items() for b in of if rank[b.split(".")[0]] > rank[a.split(".")[0]]
        )

    def circles(self) -> list[list[str]]:
        """Modules that import each other at the top of their files, round in a circle."""
        found, done = [], set()
        graph = {name: self._at_once(name) for name in self.files}

        def visit(name: str, path: list[str]) -> None:
            if name in path:
                found.append(path[path.index(name) :])
            elif name not in done:
                for other in sorted(graph[name]):
                    visit(other, [*path, name])
                done.add(name)

        for name in sorted(graph):
            visit(name, [])
        return found

    def _at_once(self, name: str) -> set[str]:
        """What a module imports as it is loaded, but for its own package."""
        top = ast.Module([n for n in self.trees[name].body if isinstance(n, ast.Import | ast.ImportFrom)], [])
        return {m for m in self._imports(top) if not name.startswith(f"{m}.") and not m.startswith(f"{name}.")}

    def chart_engines(self) -> list[str]:
        """What draws charts: imported, or behind an element of Streamlit's."""
        nodes = [node for tree in self.trees.values() for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        imported = {c for m in self.files for c in self.third_party(m) & set(CHARTS)}
        return sorted(imported | {ELEMENTS[node.attr] for node in nodes if node.attr in ELEMENTS})

    def with_streamlit(self) -> list[str]:
        """Modules of the application that import streamlit though their names do not say so."""
        return sorted(m for m in self.below(APP) if "streamlit" in self.third_party(m) and ".ui_" not in m)


def to_a_batch(package: str = CORE) -> int:
    """Files that run while a folder of PNG files becomes a batch: read by the core alone or, where `package` is the
    application, as that reads it, its own files counted too. What Python runs as it imports a module is left out."""
    code = """
import sys, numpy as np
from pathlib import Path
from PIL import Image
from gan_core import images
from gan_core.data import load, take
__import__(sys.argv[2])
folder = Path(sys.argv[1]) / "films"
for i in range(8):
    path = folder / str(i % 2) / f"{i}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(i).integers(0, 256, (64, 64), np.uint8)).save(path)
seen = set()
import threading
def trace(frame, event, arg):
    if frame.f_code.co_name != "<module>":
        seen.add(frame.f_code.co_filename)
threading.setprofile(trace)
sys.setprofile(trace)
found = load(str(folder), 32, cache_dir=Path(sys.argv[1]) / "cache")
images.to_float(take(found.images, np.arange(4)))
sys.setprofile(None)
print(len({f for f in seen if {"gan_core", "studio"} & set(Path(f).parts)}))
"""
    with tempfile.TemporaryDirectory() as folder:
        run = [sys.executable, "-c", code, folder, package]
        return int(subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def measure(house: House, here: bool) -> list[tuple[str, str]]:
    """(what, figure) of a checkout."""
    core = house.below(CORE)
    train = "gan_core.train.trainer"
    reached = house.reached(train) if train in house.files else set()
    named = [p for p in PAGES if f"{APP}.{p}" in house.files and house.files[f"{APP}.{p}"].name == "__init__.py"]
    readme = house.root / "README.md"
    return [
        ("gan_core, lines", f"{house.lines(core):,}"),
        ("gan_core, files", f"{len(core)}"),
        ("reached by train, lines", f"{house.lines(reached):,}"),
        ("reached by train, files", f"{len(reached)}"),
        ("all Python outside tests and benchmarks, lines", f"{house.lines(house.files):,}"),
        ("files that run from a folder to a batch, the core's", str(to_a_batch()) if here else ""),
        ("... and with the application", str(to_a_batch(APP)) if here else ""),
        ("chart engines", ", ".join(house.chart_engines())),
        ("upward imports", f"{len(house.upward())}"),
        ("circles", f"{len(house.circles())}"),
        ("packages named as their page", f"{len(named)} of {len(PAGES)}"),
        ("modules with streamlit whose names do not say so", f"{len(house.with_streamlit())}"),
        ("README, words", f"{len(readme.read_text(encoding='utf-8').split()):,}"),
    ]


def main(rev: Annotated[str, typer.Option(help="Also measure this revision, for comparison.")] = "") -> None:
    """Print the figures of this checkout and, beside them, of another revision."""
    columns = [("now", measure(House(ROOT), here=True))]
    if rev:
        with tempfile.TemporaryDirectory() as folder:
            archive = subprocess.run(["git", "archive", rev], cwd=ROOT, capture_output=True, check=True).stdout
            subprocess.run(["tar", "x", "-C", folder], input=archive, check=True)
            columns.insert(0, (rev[:12], measure(House(Path(folder)), here=False)))
    table = Table("", *(name for name, _ in columns))
    for rows in zip(*(figures for _, figures in columns), strict=True):
        table.add_row(rows[0][0], *(figure for _, figure in rows))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
