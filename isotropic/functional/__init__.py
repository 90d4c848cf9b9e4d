"""Activation functions as plain functions of tensors, grouped by their symmetry."""

from isotropic.functional.elementwise import leaky_relu, relu, sigmoid, tanh
from isotropic.functional.hyperoctahedral import (
    hyperoctahedral_leaky_relu,
    max_norm_leaky_relu,
    parity_leaky_relu,
)
from isotropic.functional.lengths import (
    isotropic_gelu,
    isotropic_hyperbola,
    isotropic_leaky_relu,
    isotropic_log1p,
    isotropic_relu,
    isotropic_silu,
    isotropic_soft_relu,
    isotropic_softplus,
    isotropic_tanh,
)
from isotropic.functional.profiles import radial

__all__ = [
    "hyperoctahedral_leaky_relu",
    "isotropic_gelu",
    "isotropic_hyperbola",
    "isotropic_leaky_relu",
    "isotropic_log1p",
    "isotropic_relu",
    "isotropic_silu",
    "isotropic_soft_relu",
    "isotropic_softplus",
    "isotropic_tanh",
    "leaky_relu",
    "max_norm_leaky_relu",
    "parity_leaky_relu",
    "radial",
    "relu",
    "sigmoid",
    "tanh",
]
