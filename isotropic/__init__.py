"""Isotropic networks beside elementwise ones: functions, models, trainers, adaptive width."""

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
    submodules=["adapt", "data", "functional"],
    submod_attrs={
        "intrinsic": ["RadialActivation"],
        "mlp": ["MLP"],
        "composed": ["Mixture", "Radial"],
        "corrected": ["CorrectedLinear", "DirectionLinear", "RateCorrectedLinear"],
        "diagnostics": [
            "UpdateDeflection",
            "deflection",
            "deflection_map",
            "limit_points",
            "sign_directions",
            "update_deflection",
        ],
        "divergence": ["AffineDivergence", "affine_divergence"],
        "ensemble": ["train_ensemble"],
        "forms": ["Activation"],
        "initialisers": ["Initialiser", "initialise"],
        "models": ["Autoencoder"],
        "modules": [
            "HyperoctahedralLeakyReLU",
            "IsotropicGELU",
            "IsotropicHyperbola",
            "IsotropicLeakyReLU",
            "IsotropicLog1p",
            "IsotropicReLU",
            "IsotropicSiLU",
            "IsotropicSoftReLU",
            "IsotropicSoftplus",
            "IsotropicTanh",
            "LeakyReLU",
            "MaxNormLeakyReLU",
            "ParityLeakyReLU",
            "ReLU",
            "Sigmoid",
            "Tanh",
            "activation",
        ],
        "normalise": [
            "DiagonalBatchNorm",
            "FrobNorm",
            "L2Norm",
            "MeanNorm",
            "RMSNorm",
            "WeightedLayerNorm",
            "Whitening",
        ],
        "optim": ["EquivariantAdam"],
        "protocol": ["Protocol"],
        "runs": ["Run"],
        "saved": ["load_network"],
        "spectra": ["jacobian_spectrum", "radial_spectrum"],
        "symmetry": ["SymmetryReport", "symmetry_report"],
        "train": ["train_autoencoder"],
    },
)
