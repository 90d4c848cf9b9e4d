"""The house rules as a program: who imports whom, sizes, docstrings, prints, public names."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("hooks", "ppp", "srm", "isotropic")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
#: Most lines a source file may have: one idea each.
LINES = 400

#: Packages of ours that each package may import, and the only files where `hooks` is let in.
MAY_IMPORT = {
    "hooks": set(),
    "ppp": {"hooks"},
    "srm": {"ppp", "hooks"},
    "isotropic": {"hooks"},
}
HOOKS_IN = {
    "ppp": {"analysis.py", "cli.py", "sources.py"},
    "isotropic": {"train.py", "ensemble.py", "campaign.py", "adapt/ica.py"},
}
LEAVES = {"cli.py", "report.py"}


def imports(path):
    """Full names of all modules a file imports when it runs, wherever in the file."""
    found = []
    tree = ast.parse(path.read_text())
    typing = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in set(ast.walk(tree)) - typing:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append(node.module)
    return found


def inside(path):
    relative = path.relative_to(ROOT)
    return relative.parts[0], "/".join(relative.parts[1:])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_keep_the_house_rules(path):
    package, name = inside(path)
    tops = {module.split(".")[0] for module in imports(path)}
    ours = tops & {*PACKAGES, "gallery", "tests"} - {package}
    if path.name not in LEAVES:
        assert ours <= MAY_IMPORT[package]
        if package in HOOKS_IN and "hooks" in ours:
            assert name in HOOKS_IN[package]
    assert "gallery" not in ours
    assert "tests" not in ours
    if "numba" in tops:
        assert "kernels" in name
    if "dask" in tops:
        assert (package, name) == ("ppp", "distributed.py")
    if "matplotlib" in tops:
        assert path.name.startswith("plot") or path.name in LEAVES
    assert "pickle" not in tops


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_small_and_leaves_stay_leaves(path):
    assert len(path.read_text().splitlines()) <= LINES
    for module in imports(path):
        last = module.split(".")
        assert not (len(last) > 1 and last[0] in PACKAGES and f"{last[-1]}.py" in LEAVES)


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_load_have_docstrings_and_no_module_hides_them(package):
    module = importlib.import_module(package)
    assert module.__doc__
    assert module.__all__
    files = {path.stem for path in (ROOT / package).glob("*.py")}
    folders = {path.name for path in (ROOT / package).iterdir() if path.is_dir()}
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.ismodule(value):
            assert name in files | folders
            continue
        assert name not in files | folders, f"{package}/{name}.py would hide {package}.{name}"
        if callable(value):
            assert inspect.getdoc(value), f"{package}.{name} has no docstring"


def test_importing_a_package_is_cheap():
    code = (
        "import sys, hooks, ppp, srm, isotropic\n"
        "heavy = {'torch', 'numba', 'scipy', 'matplotlib', 'sklearn', 'h5py'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("command", ["ppp.cli:plot", "isotropic.cli:train", "hooks.cli:store"])
def test_help_answers_without_loading_torch(command):
    module, name = command.split(":")
    code = (
        f"import sys\nfrom {module} import {name}\n"
        "try:\n    " + name + "(['--help'])\nexcept SystemExit as stop:\n"
        "    assert stop.code == 0 and 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True
    )
    assert "Examples" in done.stdout


def test_a_shadowed_sibling_is_named(tmp_path):
    (tmp_path / "hooks.py").write_text("")
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import ppp"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.returncode == 1
    assert "'hooks' must be the package that comes with privileged-planes" in done.stderr
    assert str(tmp_path / "hooks.py") in done.stderr
