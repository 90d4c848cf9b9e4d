"""Activation functions as plain functions of tensors, grouped by their symmetry."""

from isotropic.functional.elementwise import tanh
from isotropic.functional.radial import isotropic_tanh

__all__ = ["isotropic_tanh", "tanh"]
