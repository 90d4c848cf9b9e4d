"""
What adaptation costs beside an epoch
=====================================

Experiment zero of the adaptive-topology paper: the time of one diagonalisation, growth or pruning
of every hidden layer, as a share of an epoch of training. Several neurons go or come with one
decomposition; one at a time, as published code does it, is timed beside it.
"""

# %%
# Settings
# --------
import copy
import time

import torch
from adaptive_tools import load, optimiser, train
from presets import choose

import isotropic
from isotropic import adapt

PRESETS = {
    "quick": {"data": "digits", "limit": None, "hidden": (100, 100), "change": 25},
    "fashion": {"data": "fashion-mnist", "limit": 10_000, "hidden": (100, 100), "change": 25},
    "paper": {"data": "cifar-10", "limit": None, "hidden": (100, 100), "change": 25},
}
preset, settings = choose(PRESETS)
split = load(settings["data"], settings["limit"])
torch.manual_seed(0)
net = isotropic.MLP([split.inputs.shape[1], *settings["hidden"], 10])
opt = optimiser(net)
train(net, split, 1, opt=opt)


# %%
# Times, best of five
# -------------------
def best(action, repeats=5):
    """Best processor time of an action on a copy of network and optimiser."""
    times = []
    for _ in range(repeats):
        twin, twin_opt = copy.deepcopy((net, opt))
        start = time.process_time()
        action(twin, twin_opt)
        times.append(time.process_time() - start)
    return min(times)


hidden = range(len(settings["hidden"]) - 1, -1, -1)


def change(by):
    def action(twin, twin_opt):
        for layer in hidden:
            adapt.resize(twin, layer, twin.widths[layer + 1] + by, twin_opt)

    return action


def one_at_a_time(twin, twin_opt):
    for layer in hidden:
        for _ in range(settings["change"]):
            adapt.resize(twin, layer, twin.widths[layer + 1] - 1, twin_opt)


with torch.no_grad():
    evaluation = best(lambda twin, _: twin(split.test_inputs))
epoch = best(lambda twin, twin_opt: train(twin, split, 1, opt=twin_opt), repeats=2)
times = {
    "epoch of training": epoch,
    "evaluation of the test set": evaluation,
    "diagonalise every hidden layer": best(change(0)),
    f"grow every hidden layer by {settings['change']}": best(change(settings["change"])),
    f"prune every hidden layer by {settings['change']}": best(change(-settings["change"])),
    f"prune by {settings['change']}, one neuron at a time": best(one_at_a_time, repeats=2),
}
print(settings)
for name, seconds in times.items():
    print(f"{name:>40}: {1e3 * seconds:>10.2f} ms, {seconds / epoch:>8.3%} of an epoch")

# %%
# What the paper claims, and what is seen
# ---------------------------------------
# Adaptation once an epoch costs next to nothing beside training: seen with one decomposition for
# all neurons of a layer. With one decomposition a neuron it is a fair share of an epoch.
