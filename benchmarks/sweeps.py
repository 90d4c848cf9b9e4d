"""Sweeps and densities: against the direct form, over angles; error against cost."""

import subprocess
import sys
import time

import numpy as np
from projections import activations
from timing import table, wall

import srm


def direct(x, vectors, epsilon, angles):
    """The sweep in its direct form: one rotation matrix a plane and an angle."""
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    n = vectors.shape[1]
    values = []
    for i in range(len(vectors)):
        for j in range(i + 1, len(vectors)):
            a, b = vectors[i], vectors[j]
            plane = np.outer(a, a) + np.outer(b, b)
            turn = np.outer(b, a) - np.outer(a, b)
            for theta in 2 * np.pi * np.arange(angles) / angles:
                q = np.eye(n) + np.sin(theta) * turn + (np.cos(theta) - 1) * plane
                values.append(((unit @ q.T) @ a >= epsilon).mean())
    return np.array(values)


def sweeps(count, choices):
    lines = []
    x = activations("isotropic", count, 18)
    for angles in choices:
        # the direct form is timed on two vectors' one plane and scaled to all planes
        slow, _ = wall(lambda a=angles: direct(x, np.eye(18)[:2], 0.75, a), 1)
        slow *= 18 * 17 / 2
        quick, _ = wall(lambda a=angles: srm.sweep(x, epsilon=0.75, angles=a), 3)
        lines.append((18, count, angles, f"{slow / quick:,.0f}", f"{1e3 * quick:.1f}"))
    columns = ["n", "rows", "angles", "× direct form", "ms"]
    return table("Sweep (direct form timed on one plane, scaled to 153)", columns, lines)


def imports():
    lines = []
    for name in ("torch", "torch, ppp", "torch, ppp, srm"):
        taken = []
        for _ in range(3):
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", f"import {name}"], check=True)
            taken.append(time.perf_counter() - begin)
        lines.append((f"import {name}", f"{taken[0]:.2f}", f"{min(taken):.2f}"))
    return table("Import, seconds", ["statement", "first", "best"], lines)
