"""Privileged-plane projection: frames, planes, kernels, tallies, nulls, statistics, figures."""

from importlib.util import find_spec
from pathlib import Path

import lazy_loader

for _name in ("hooks",):
    _spec = find_spec(_name)
    _found = Path(_spec.origin).parent if _spec is not None and _spec.origin else None
    if _found != Path(__file__).parents[1] / _name:
        raise ImportError(
            f"{_name!r} must be the package that comes with privileged-planes, but Python finds "
            f"{_spec.origin if _spec else None} first: rename or move that file"
        )

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["closed", "controls", "fluctuation", "null", "pictures"],
    submod_attrs={
        "analysis": ["analyze", "analyze_store", "project"],
        "point_listing": ["points"],
        "class_projection": ["project_classes"],
        "comparison": ["Comparison", "compare"],
        "density": ["Density", "Window"],
        "density_exact": ["exact_density"],
        "density_normalised": ["DensityRatio", "density_ratio"],
        "draws": ["Nulls"],
        "families": ["by_class", "family_table"],
        "frame": ["Frame", "haar_rotation"],
        "frames_corners": ["diagonal_frame"],
        "frames_learned": ["ica_frame", "pca_frame", "weight_frame"],
        "frames_thomson": ["thomson_frame"],
        "plane_table": ["plane_statistics"],
        "planes": ["Planes"],
        "plot": ["plot_density", "plot_grid", "plot_with_null"],
        "plot_networks": ["plot_comparison", "plot_training"],
        "plot_null": ["plot_against_null"],
        "plot_scatter": ["plot_points"],
        "point_cloud": ["Points"],
        "preprocessing": ["Preprocessing"],
        "radial": ["Radial", "RadialProfile"],
        "result": ["PPPResult"],
        "rule": ["Rule"],
        "sensitivity": ["Detectable", "detectable"],
        "statistics": ["Statistic"],
        "sweeping": ["Sweep", "sweep_epsilon"],
        "tally": ["MOMENTS", "Tally"],
        "untrained": ["untrained_copy"],
        "verdict": ["Verdict", "judge"],
    },
)
