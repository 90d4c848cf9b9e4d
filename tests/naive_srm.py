"""The sweep's oracle: every probe, every sample, in loops."""

from __future__ import annotations

import math

import numpy as np
from naive import in_plane, pairs_of, valid

SLACK = 2.0**-40


def sees(along, norm, epsilon):
    """Whether x̂ · p ≥ ε, ties included."""
    least = epsilon * math.sqrt(1 - SLACK) if epsilon > 0 else epsilon - SLACK
    return along >= least * norm


def sweep(X, vectors, gram, epsilon, angles, ordered=False, signed=False):
    """Rows seen by every spotlight, (P, A), and the number of valid rows."""
    planes = pairs_of(gram, ordered)
    counts = np.zeros((len(planes), angles), np.int64)
    rows = 0
    for x in np.asarray(X, np.float64):
        if not valid(x):
            continue
        rows += 1
        norm = math.sqrt(math.fsum(x * x))
        for plane, (i, j) in enumerate(planes):
            w1, w2 = in_plane(x, vectors[i], vectors[j], gram[i, j])
            for a in range(angles):
                theta = 2 * math.pi * a / angles
                along = w1 * math.cos(theta) + w2 * math.sin(theta)
                counts[plane, a] += sees(along, norm, epsilon)
                if signed:
                    counts[plane, a] -= sees(-along, norm, epsilon)
    return counts, rows


def rotation(b_i, b_j, theta):
    """The rotation by θ in the plane of two vectors, from b_i towards −b_j, as the exponential
    of the normalised generator b_i b_jᵀ − b_j b_iᵀ."""
    generator = np.outer(b_i, b_j) - np.outer(b_j, b_i)
    values, basis = np.linalg.eig(generator)
    values = 1j * values.imag / np.abs(values.imag).max()
    return (basis @ np.diag(np.exp(theta * values)) @ np.linalg.inv(basis)).real


def direct(X, vectors, epsilon, angles, signed=False):
    """The method in its direct form, one rotation matrix an angle; unordered pairs."""
    X = np.asarray(X, np.float64)
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    unit = X / np.where(norms == 0, 1, norms)
    values = []
    for i in range(len(vectors)):
        for j in range(i + 1, len(vectors)):
            line = []
            for theta in np.linspace(0, 2 * np.pi, angles):
                along = unit @ rotation(vectors[i], vectors[j], theta) @ vectors[i]
                line.append((along >= epsilon).mean() - signed * (along <= -epsilon).mean())
            values.append(line)
    return np.array(values)
