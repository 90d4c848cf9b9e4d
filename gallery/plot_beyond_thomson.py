"""
Beyond the paper: frames of repelling vectors, 17, 32 and 64 of them
====================================================================

Earlier images of the paper's author show a bottleneck of 16 neurons whose tanh acts along more
vectors than there are neurons, spread evenly as charges on a sphere (Thomson frames), at
epsilon = .85. Trained together here, each projected onto the planes of its own frame and onto the
neurons' axes.
"""

# %%
# Train one network for each frame
# --------------------------------
import torch
from claims import Claim, dicts
from network_tests import LEVEL
from presets import choose, keep, ours, show

import ppp
from isotropic import Protocol, Tanh, train_ensemble
from isotropic.data import load
from isotropic.train import Task

PRESETS = {
    "quick": {"data": "digits", "epochs": 13, "nulls": 39},
    "paper": {"data": "fashion-mnist", "epochs": 125, "nulls": 99},
}
WIDTH, EPSILON, COUNTS = 16, 0.85, (17, 32, 64)
preset, settings = choose(PRESETS)
data = load(settings["data"])
frames = {count: ppp.thomson_frame(count, WIDTH) for count in COUNTS}
forms = [Tanh(frame=torch.from_numpy(frame.vectors), gain="tight") for frame in frames.values()]
runs = train_ensemble(
    data, forms, repeats=1, width=WIDTH, protocol=Protocol(epochs=settings["epochs"])
)

# %%
# Project latent layer 0 onto either frame
# ----------------------------------------
inputs = Task.of(data, None, True).inputs
rows, numbers = {}, []
for (count, frame), run in zip(frames.items(), runs, strict=True):
    with torch.no_grad():
        latent = run.model.encoder(inputs).numpy()
    rows[f"{count} vectors"] = {
        seen: ppp.project(
            latent, frame=basis, epsilon=EPSILON, null_repeats=settings["nulls"], null_draws=1
        )
        for seen, basis in (("neurons' axes", "standard"), ("its own frame", frame))
    }
    for seen, result in rows[f"{count} vectors"].items():
        kappa = result.statistics["kappa"]
        numbers.append({"vectors": count, "seen": seen, "kappa": kappa.value, "p": kappa.p})
        print(
            f"{count} vectors, {seen:<14} kept {result.hits} of {result.expected:.0f} expected, "
            f"kappa {kappa.value:.3f} (p {kappa.p:.2g}); loss {run.history[-1]['loss']:.3f}"
        )
ppp.plot_grid(
    rows,
    panel=2.1,
    draws=1,
    title=f"Tanh over Thomson frames: {settings['data']} standardised,\nn = {WIDTH}, "
    f"ε = {EPSILON}, {settings['epochs']} epochs, latent layer 0,\n{ours(preset)}",
)
show("beyond_thomson", preset)

# %%
# Does each show its own frame?
# -----------------------------
own = [row["p"] <= LEVEL for row in numbers if row["seen"] == "its own frame"]
axes = [row["p"] <= LEVEL for row in numbers if row["seen"] != "its own frame"]
claim = Claim(
    "the structure is that of the function's own frame, however many vectors it has",
    "; ".join(
        f"{row['vectors']} vectors, {row['seen']}: kappa {row['kappa']:.3f} (p {row['p']:.2g})"
        for row in numbers
    ),
    f"kappa in {settings['nulls']} random frames; one network a frame",
    f"in {sum(own)} of {len(own)} in its own frame, in {sum(axes)} in the neurons' axes",
)
print(claim)
keep("beyond_thomson", preset, {"numbers": numbers, "claims": dicts([claim])})
