"""
Trained over a rotated frame, the structure moves with the frame
================================================================

Tanh acts along the vectors of a frame, ``f(x) = sum_j tanh(x . b_j) b_j``. Three autoencoders start
from the same weights and see the same batches; they differ in the frame alone: the neurons' axes, a
random rotation of them, and an over-complete frame whose vectors repel each other as charges on a
sphere do (Thomson), with the gain n/m. Each is projected in both the axes' frame and its own: if
the functional form makes the structure, it shows in the network's own frame.
"""

# %%
# Frames
# ------
import torch
from claims import Claim, dicts
from presets import choose, keep, ours, show

import ppp
from isotropic import Protocol, Tanh, train_ensemble
from isotropic.data import load

PRESETS = {
    "quick": {"data": "digits", "epochs": 20, "nulls": 99},
    "paper": {"data": "fashion-mnist", "epochs": 125, "nulls": 199},
}
WIDTH = 12
preset, settings = choose(PRESETS)
data = load(settings["data"])
frames = {
    "axes": torch.eye(WIDTH, dtype=torch.float64),
    "rotated": torch.from_numpy(ppp.haar_rotation(WIDTH, 1)),
    "thomson": torch.from_numpy(ppp.thomson_frame(2 * WIDTH, WIDTH).vectors),
}

# %%
# Train, and project latent layer 0 in both frames
# ------------------------------------------------
inputs = torch.from_numpy(data.images)
inputs = (inputs - inputs.mean(0)) / torch.where(inputs.std(0) == 0, 1.0, inputs.std(0))
numbers = []
pictures = {"seen in the neurons' axes": {}, "seen in its own frame": {}}
runs = train_ensemble(
    data,
    [Tanh(frame=frame, gain="tight") for frame in frames.values()],
    repeats=1,
    width=WIDTH,
    protocol=Protocol(epochs=settings["epochs"]),
)
for (name, frame), run in zip(frames.items(), runs, strict=True):
    with torch.no_grad():
        latent = run.model.encoder(inputs).numpy()
    for (seen, basis), picture in zip(
        (("axes", "standard"), ("own", frame.numpy())), pictures.values(), strict=True
    ):
        result = ppp.project(latent, frame=basis, null_repeats=settings["nulls"])
        found = result.statistics
        picture[f"trained over {name}"] = result
        row = {"trained over": name, "seen in": seen, "loss": run.history[-1]["loss"]}
        row |= {key: (found[key].value, found[key].p) for key in ("kappa", "a4", "b4")}
        numbers.append(row)
        shown = "  ".join(
            f"{key} {row[key][0]:+.3f} (p {row[key][1]:.2f})" for key in ("kappa", "a4")
        )
        print(f"trained over {name:<8} seen in {seen:<5} {shown}  loss {row['loss']:.3f}")
ppp.plot_grid(
    pictures,
    panel=2.2,
    title=f"{settings['data']} standardised, n = {WIDTH}, {ours(preset)},\n"
    f"{settings['epochs']} epochs, latent layer 0",
)
show("frames_move_structure", preset)

# %%
# Does it move?
# -------------
told = {(row["trained over"], row["seen in"]): row["kappa"][1] <= 0.05 for row in numbers}
own = all(told[name, "own"] for name in frames)
elsewhere = any(told[name, "axes"] for name in ("rotated", "thomson"))
claim = Claim(
    "the structure moves with the frame that the function works along",
    "; ".join(
        f"trained over {row['trained over']}, seen in {row['seen in']}: kappa "
        f"{row['kappa'][0]:.3f} (p {row['kappa'][1]:.2g})"
        for row in numbers
    ),
    f"kappa in {settings['nulls']} random frames; one network a frame",
    "no" if not own else "in part: the neurons' axes show it too" if elsewhere else "yes",
)
print(claim)
keep("frames_move_structure", preset, {"numbers": numbers, "claims": dicts([claim])})
