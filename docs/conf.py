"""The documentation site: pages, API reference, gallery. Built offline by ``make docs``."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build"

# Trained networks and written numbers outlive a build; the next one goes on from them.
os.environ.setdefault("RUNS", str(BUILD / "gallery-runs"))
os.environ.setdefault("NUMBERS", str(BUILD / "gallery-numbers"))
# Gallery scripts run in processes of their own: each finds the packages and holds to one thread.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(ROOT), str(ROOT / "gallery"), os.environ.get("PYTHONPATH")])
)
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
sys.path[:0] = [str(ROOT), str(ROOT / "gallery")]

project = "privileged-planes"
author = "The privileged-planes developers"
release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["gallery/*.py", "gallery/*.ipynb"]
# Docstrings name code in single backquotes.
default_role = "literal"

# Types of parameters are prose with shapes ("rows"); a word of it may name several attributes.
suppress_warnings = ["ref.python"]

html_theme = "alabaster"
html_theme_options = {
    "description": "Do activations line up with a privileged frame?",
    "fixed_sidebar": True,
    "page_width": "1100px",
}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
html_copy_source = False

myst_heading_anchors = 3

autodoc_typehints = "none"  # docstrings say types, with shapes and units
autodoc_member_order = "groupwise"
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "gallery"),
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"(?:^|/)(?!plot_)[^/]*\.py$",
    "within_subsection_order": "FileNameSortKey",
    "parallel": int(os.environ.get("JOBS", "2")),
    "abort_on_example_error": False,
    "only_warn_on_example_error": False,
    "download_all_examples": False,
    "image_scrapers": ("matplotlib",),
    "matplotlib_animations": False,
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,  # those pages load scripts from other hosts
    "capture_repr": (),
    "min_reported_time": 1,
}


def escape_bars(app, what, name, obj, options, lines):
    """Let ``|x|`` in a docstring be a length: reStructuredText would look for a substitution."""
    example = False
    for place, line in enumerate(lines):
        example = line.lstrip().startswith(">>>") or (example and bool(line.strip()))
        if not example:
            parts = re.split(r"(`+[^`]*`+)", line)
            parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
            lines[place] = "".join(parts)


def setup(app):
    """Prepare docstrings before they are parsed."""
    app.connect("autodoc-process-docstring", escape_bars)
