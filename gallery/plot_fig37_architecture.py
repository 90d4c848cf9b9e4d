"""
Figure 37: the autoencoder and where its latent layers are
==========================================================

The reference network of the paper: an encoder from d inputs to n neurons, L hidden blocks of an
activation and an affine map, a decoder of an activation and an affine map. Latent layer 0 comes
before any activation; latent layer k is what the k-th block gives. The drawing is read off a
network that is built here, with every size and number of parameters taken from its modules.
"""

# %%
# Build it, and follow one batch through
# --------------------------------------
import matplotlib.pyplot as plt
import torch
from ppp_runs import Setting, preset
from presets import keep, show

import isotropic
from isotropic.data import load

name, changes = preset()
setting = Setting(data=changes["data"] or "cifar-10", blocks=3)
data = load(setting.data)
net = isotropic.Autoencoder(data.features, setting.width, setting.blocks, "isotropic-tanh")
shapes: list[tuple[str, torch.nn.Module, int]] = []
for path, module in net.named_modules():
    if not list(module.children()):
        module.register_forward_hook(
            lambda module, _, out, path=path: shapes.append((path, module, out.shape[1]))
        )
with torch.no_grad():
    net(torch.from_numpy(data.images[:2]))

# %%
# Draw it
# -------
latent = {path: k for k, path in enumerate(net.latent_layers)}
fig, ax = plt.subplots(figsize=(11, 4.2), layout="constrained")
ax.set(xlim=(-1.2, len(shapes) + 1.2), ylim=(-1.6, 1.9))
ax.axis("off")
image = " × ".join(map(str, data.shape))
stations = [(-0.8, f"input\n{image}"), (len(shapes) + 0.6, f"output\n{image}")]
for x, text in stations:
    ax.text(x, 0, text, ha="center", va="center", fontsize=8)
for place, (path, module, width) in enumerate(shapes):
    affine = isinstance(module, torch.nn.Linear)
    height = 0.45 + 0.9 * width / data.features
    ax.add_patch(
        plt.Rectangle(
            (place - 0.32, -height), 0.64, 2 * height, fc="#cfe0f3" if affine else "#f6d8b8", ec="k"
        )
    )
    parameters = sum(p.numel() for p in module.parameters())
    label = f"affine\n→ {width}\n{parameters:,}" if affine else "activation"
    ax.text(place, 0, label, ha="center", va="center", fontsize=7, rotation=0 if affine else 90)
    ax.text(place, -height - 0.16, path, ha="center", fontsize=7, family="monospace", color="0.35")
    if path in latent or any(path.startswith(f"{block}.") and affine for block in latent):
        k = latent.get(path, latent.get(path.rsplit(".", 1)[0]))
        ax.annotate(
            f"latent layer {k}",
            (place + 0.42, 0),
            (place + 0.42, 0.95),
            ha="center",
            fontsize=8,
            color="tab:red",
            arrowprops={"arrowstyle": "->", "color": "tab:red"},
        )
ax.set_title(
    f"As the paper's figure 37, preset {name}: autoencoder for {setting.data}, "
    f"n = {setting.width}, L = {setting.blocks}; numbers of parameters below the widths",
    fontsize=10,
)
show("fig37", name)

# %%
# The numbers
# -----------
total = sum(p.numel() for p in net.parameters())
d, n, blocks = data.features, setting.width, setting.blocks
formula = (d + 1) * n + blocks * (n + 1) * n + (n + 1) * d
print(f"{total:,} parameters; (d + 1) n + L (n + 1) n + (n + 1) d = {formula:,}")
print(f"latent layers: {', '.join(f'{k} is {path}' for path, k in latent.items())}")
report = isotropic.symmetry_report(isotropic.activation("isotropic-tanh"))
print(report)
keep("fig37", name, {"parameters": total, "formula": formula})
