"""
Draft: how elementwise functions bend space
===========================================

Figure 1 and Eqns 4 and 5 of *Isotropic deep learning*: shapes of the plane through an elementwise
tanh and through its isotropic counterpart; the angle by which each turns a ray, along the ray and
over all directions; two rays that end in one point; the points at which rays end at all.
"""

# %%
# Shapes
# ------
import matplotlib.pyplot as plt
import numpy as np
import torch
from claims import Claim, dicts
from presets import choose, keep, show

import isotropic

PRESETS = {"quick": {"directions": 73}, "paper": {"directions": 721}}
preset, settings = choose(PRESETS)
FORMS = {"tanh": isotropic.Tanh(), "isotropic-tanh": isotropic.IsotropicTanh()}
turn = torch.linspace(0, 2 * torch.pi, 400, dtype=torch.float64)
circle = torch.stack([turn.cos(), turn.sin()], 1)
line = torch.linspace(-3, 3, 200, dtype=torch.float64)
shapes = {
    "circles": [radius * circle for radius in (0.5, 1, 2, 3)],
    "lines": [torch.stack([line, torch.full_like(line, at)], 1) for at in (-2, -1, 0, 1, 2)],
    "rays": [
        line[100:, None] * torch.tensor([[np.cos(a), np.sin(a)]])
        for a in np.radians([10, 20, 35, 60, 80])
    ],
}
fig, axes = plt.subplots(3, 3, figsize=(8, 8), layout="constrained")
for row, (name, paths) in zip(axes, shapes.items(), strict=True):
    for ax, (form, f) in zip(row, {"as they are": lambda x: x, **FORMS}.items(), strict=True):
        for path in paths:
            ax.plot(*f(path).T, lw=1)
        ax.set_aspect("equal")
        ax.set_title(f"{name}, {form}", fontsize=9)
fig.suptitle("Shapes through an elementwise and an isotropic tanh (draft, figure 1)")
show("draft_deflection_1", preset)

# %%
# Deflection along rays, and over all directions
# ----------------------------------------------
alphas = torch.logspace(-1, 2, 60, dtype=torch.float64)
angles = torch.linspace(0, 360, settings["directions"], dtype=torch.float64)
directions = torch.stack([angles.deg2rad().cos(), angles.deg2rad().sin()], 1)
fig, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
for degrees in (5, 20, 40, 45):
    ray = torch.tensor([[np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]])
    for form, style in (("tanh", "-"), ("isotropic-tanh", ":")):
        theta = isotropic.deflection(FORMS[form], ray, alphas)[:, 0].rad2deg()
        axes[0].semilogx(alphas, theta, style, label=f"{form}, {degrees}°")
axes[0].set(xlabel="length α of the input", ylabel="deflection, degrees")
axes[0].legend(fontsize=6)
for ax, (form, f) in zip(axes[1:], FORMS.items(), strict=True):
    theta = isotropic.deflection(f, directions, alphas).rad2deg()
    image = ax.pcolormesh(angles, alphas, theta, vmin=0, vmax=45, shading="nearest")
    ax.set(yscale="log", title=form, xlabel="direction, degrees", xticks=range(0, 361, 90))
axes[1].set_ylabel("length α")
fig.colorbar(image, ax=axes[1:], label="deflection, degrees")
fig.suptitle("Deflection θ(α; x̂, f) (draft, Eqn 5)")
show("draft_deflection_2", preset)

# %%
# The numbers
# -----------
ray = torch.tensor([[np.cos(np.radians(20)), np.sin(np.radians(20))]])
at = torch.tensor([0.1, 1.0, 3.0, 10.0, 1e6], dtype=torch.float64)
bent = isotropic.deflection(FORMS["tanh"], ray, at)[:, 0].rad2deg()
straight = isotropic.deflection(FORMS["isotropic-tanh"], directions, at).abs().max().rad2deg()
pair = 10 * torch.stack([ray[0], torch.tensor([np.cos(np.radians(60)), np.sin(np.radians(60))])])
kept = {form: float((f(pair)[0] - f(pair)[1]).norm()) for form, f in FORMS.items()}
claims = [
    Claim(
        "elementwise functions bend rays (refraction), isotropic ones do not",
        "a ray at 20 degrees by tanh: "
        + ", ".join(f"{b:.3f} at α = {a:g}" for a, b in zip(at, bent, strict=True))
        + f"; by isotropic tanh, over all directions, at most {straight:.1e}",
        "rounding",
        "yes" if bent[-1] > 1 and straight < 1e-6 else "no",
    ),
    Claim(
        "rays merge through elementwise functions and stay apart through isotropic ones",
        "inputs of length 10 at 20 and 60 degrees end apart by "
        + ", ".join(f"{value:.2g} ({form})" for form, value in kept.items()),
        "the chord between the directions, 0.684",
        "yes" if kept["tanh"] < 0.1 < 0.68 < kept["isotropic-tanh"] else "no",
    ),
]
for n in (2, 3):
    ends = isotropic.limit_points(FORMS["tanh"], isotropic.sign_directions(n))
    count = len(torch.unique(ends.round(decimals=6), dim=0))
    print(f"limit points of tanh in {n} dimensions: {count} = 3^{n} - 1")
print(*claims, sep="\n")
keep("draft_deflection", preset, dicts(claims))
