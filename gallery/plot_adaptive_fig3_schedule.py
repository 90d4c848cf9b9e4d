"""
Widths over a changing task schedule, and the growth that ran away
==================================================================

Figure 3 and Table 5 of the adaptive-topology paper: a network of three hidden layers sees three
data sets, each in its own block of inputs and outputs; which of them count in the loss changes with
time. After every epoch each layer keeps K = 5 scaffold neurons at or below the threshold .95.

The paper reports a bifurcation: some second and third layers settle, others grow for ever, and
wonders about consolidation. Published code counts scaffold among the min(m, n) singular values; a
layer at least as wide as its input then never sees the zero rows it grows, and grows again. The
experiment is run with both counts, from the same initialisation, with a static control.
"""

# %%
# Settings
# --------
# ``paper``: MNIST, Fashion-MNIST and EMNIST A-J, 600 epochs. ``quick``: the digits of
# scikit-learn, Fashion-MNIST at 14 x 14, and Fashion-MNIST under a fixed permutation of its pixels,
# in a tenth of the epochs and a fifth of the width: the mechanism, not the paper's numbers.
import copy

import matplotlib.pyplot as plt
import numpy as np
import torch
from adaptive_tools import Clock, Split, batches, choose, keep, load, mean_std, optimiser
from torch.nn import functional

import isotropic
from isotropic import adapt

PRESETS = {
    "quick": {"epochs": 60, "boundaries": (15, 30, 45), "hidden": (100, 480), "repeats": 4},
    "paper": {"epochs": 600, "boundaries": (150, 300, 450), "hidden": (500, 2500), "repeats": 25},
}
ACTIVE = ((1, 0, 0), (1, 1, 0), (1, 1, 1), (0, 1, 0))
preset, settings = choose(PRESETS)
clock = Clock()


# %%
# Three data sets, one block each
# -------------------------------
def smaller(split):
    """Average neighbouring pixels of 28 x 28 images."""
    halves = [
        functional.avg_pool2d(x.reshape(-1, 1, 28, 28), 2).flatten(1)
        for x in (split.inputs, split.test_inputs)
    ]
    scale = halves[0].std(0).clamp_min(1e-6)
    return Split(
        split.name, halves[0] / scale, split.targets, halves[1] / scale, split.test_targets
    )


def permuted(split):
    order = torch.randperm(split.inputs.shape[1], generator=torch.Generator().manual_seed(0))
    return Split(
        split.name + ", permuted",
        split.inputs[:, order],
        split.targets,
        split.test_inputs[:, order],
        split.test_targets,
    )


if preset == "quick":
    fashion = smaller(load("fashion-mnist", 1437))
    tasks = [load("digits"), fashion, permuted(fashion)]
else:
    tasks = [load("mnist"), load("fashion-mnist"), load("emnist-a-j")]
least = min(len(task.inputs) for task in tasks)
total = sum(task.inputs.shape[1] for task in tasks)
pieces, labels, owners, offset = [], [], [], 0
tests = []
for number, task in enumerate(tasks):
    width = task.inputs.shape[1]
    place = (offset, total - offset - width)
    pieces.append(functional.pad(task.inputs[:least], place))
    labels.append(task.targets[:least])
    owners.append(torch.full((least,), number))
    tests.append((functional.pad(task.test_inputs, place), task.test_targets))
    offset += width
inputs, labels, owners = torch.cat(pieces), torch.cat(labels), torch.cat(owners)


def loss(net, index, active):
    """Mean of the active tasks' cross-entropies, softmax within each ten-class block."""
    blocks = net(inputs[index]).reshape(len(index), 3, 10)
    terms = []
    for task in range(3):
        mine = owners[index] == task
        if active[task] and bool(mine.any()):
            terms.append(functional.cross_entropy(blocks[mine, task], labels[index][mine]))
    return torch.stack(terms).mean() if terms else 0 * blocks.sum()


@torch.no_grad()
def accuracies(net):
    return [
        float((net(x).reshape(len(x), 3, 10)[:, t].argmax(1) == y).double().mean())
        for t, (x, y) in enumerate(tests)
    ]


# %%
# One run
# -------
def run(net, count, seed):
    """Train over the schedule; return widths per epoch and accuracies at the last boundary."""
    opt = optimiser(net)
    adapter = None
    if count != "static":
        generator = torch.Generator().manual_seed(seed)
        adapter = adapt.NeuroAdapter(net, opt, 0.95, 5, count=count, generator=generator)
    order = torch.Generator().manual_seed(seed)
    widths, at_boundary = [net.widths[1:-1]], None
    for epoch in range(settings["epochs"]):
        active = ACTIVE[sum(epoch >= b for b in settings["boundaries"])]
        for index in batches(len(inputs), 48, order):
            opt.zero_grad()
            (loss(net, index, active) + net.penalty()).backward()
            opt.step()
        if adapter:
            adapter.step()
        widths.append(net.widths[1:-1])
        if epoch + 1 == settings["boundaries"][2]:
            at_boundary = accuracies(net)
    return {"widths": widths, "accuracy": at_boundary}


results = {"neurons": [], "singular-values": [], "static": []}
for seed in range(settings["repeats"]):
    torch.manual_seed(seed)
    low, high = settings["hidden"]
    start = isotropic.MLP([total, *torch.randint(low, high + 1, (3,)).tolist(), 30])
    for count, runs in results.items():
        runs.append(run(copy.deepcopy(start), count, seed))
keep("fig3", preset, results)

# %%
# Numbers
# -------
print(f"{settings}, {least} images a task, {total} inputs, {clock}")
quarter = max(1, settings["epochs"] // 4)
for count, runs in results.items():
    cells = [mean_std([r["accuracy"][t] for r in runs]) for t in range(3)]
    named = ", ".join(
        f"{task.name} {m:.4f} ± {s / len(runs) ** 0.5:.4f}"
        for task, (m, s) in zip(tasks, cells, strict=True)
    )
    print(f"{count}: accuracy at epoch {settings['boundaries'][2]} (standard error): {named}")
    for r in runs:
        w = np.array(r["widths"])
        pace = (w[-1] - w[-1 - quarter]) / quarter
        print(f"    start {w[0].tolist()} end {w[-1].tolist()}, neurons an epoch at the end {pace}")

# A layer wider than its input by more than K holds neurons that can only carry constants.
for count in ("neurons", "singular-values"):
    wide, gains = 0, []
    for r in results[count]:
        w = np.array([[total, *row] for row in r["widths"]])
        wide += int((w[-1, 1:] > w[-1, :-1] + 5).sum())
        gains.append(int((w[-1, 1:] - w[:, 1:].min(0)).max()))
    print(
        f"{count}: {wide} of {3 * len(results[count])} layers end wider than their input and K; "
        f"largest regrowth of a layer, run by run: {gains}"
    )

# %%
# Widths over the schedule
# ------------------------
fig, axes = plt.subplots(2, 3, figsize=(10, 6), layout="constrained", sharex=True, sharey="col")
for row, count in enumerate(("neurons", "singular-values")):
    for layer in range(3):
        ax = axes[row, layer]
        for r in results[count]:
            ax.plot(np.array(r["widths"])[:, layer], lw=1)
        for boundary in settings["boundaries"]:
            ax.axvline(boundary, color="0.8", zorder=0)
        ax.set(title=f"H{layer + 1}, counting {count}", xlabel="epoch", ylabel="width")
plt.show()
