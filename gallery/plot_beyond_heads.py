"""
Beyond the paper: one-hot against binary heads
==============================================

The paper studies autoencoders because the head of a classifier brings a frame along: one-hot
targets are a local code along the axes of the outputs, binary ones a dense code at the corners of
a cube (App. C.1). Equal classifiers learn the same classes either way; outputs and the hidden layer
before them are projected onto the axes of their neurons. A dense code of n numbers lies at
``sqrt(2/n)`` from every plane, where epsilon = .75 cannot see it: kappa, which needs no threshold,
tells, and lies below 1 for it.
"""

# %%
# Train pairs that differ in the head alone
# -----------------------------------------
import numpy as np
import torch
from adaptive_tools import load
from beyond_verdicts import higher
from claims import Claim, dicts
from network_tests import LEVEL, by_chance
from presets import choose, keep, ours, show
from torch import nn

import isotropic
import ppp

PRESETS = {
    "quick": {"data": "digits", "epochs": 6, "repeats": 2, "nulls": 79},
    "paper": {"data": "fashion-mnist", "epochs": 20, "repeats": 5, "nulls": 99},
}
WIDTH = 18
preset, settings = choose(PRESETS)
split = load(settings["data"])
bits = int(np.ceil(np.log2(split.classes)))
codes = torch.tensor([[(c >> b) & 1 for b in range(bits)] for c in range(split.classes)])
HEADS = {"one-hot": split.classes, "binary": bits}
FORMS = ("tanh", "isotropic-tanh")


def classifier(form, head, seed):
    """Train one; all of a seed share the hidden weights they start from, and the batches."""
    torch.manual_seed(seed)
    first = nn.Linear(split.inputs.shape[1], WIDTH)
    second = nn.Linear(WIDTH, WIDTH)
    hidden = [first, isotropic.activation(form), second, isotropic.activation(form)]
    net = nn.Sequential(nn.Sequential(*hidden), nn.Linear(WIDTH, HEADS[head]))
    loss = nn.functional.cross_entropy
    targets = split.targets
    if head == "binary":
        loss, targets = nn.functional.binary_cross_entropy_with_logits, codes.float()[targets]
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    order = torch.Generator().manual_seed(seed)
    for _ in range(settings["epochs"]):
        for index in torch.randperm(len(targets), generator=order).split(48):
            optimiser.zero_grad()
            loss(net(split.inputs[index]), targets[index]).backward()
            optimiser.step()
    return net


@torch.no_grad()
def right(net, head):
    """Return the share of test images whose nearest code is their class's."""
    logits = net(split.test_inputs)
    scores = logits if head == "one-hot" else logits @ (2.0 * codes.T - 1)
    return float((scores.argmax(1) == split.test_targets).double().mean())


# %%
# Project outputs and hidden layer
# --------------------------------
rows, found = {}, {}
for form in FORMS:
    for head in HEADS:
        for seed in range(settings["repeats"]):
            net = classifier(form, head, seed)
            with torch.no_grad():
                hidden = net[0](split.inputs)
                places = {"hidden layer": hidden, "outputs": net[1](hidden)}
            name = f"{form}, {head}, {seed}"
            rows[name] = {
                place: ppp.project(
                    x.double().numpy(), preprocess="centre", null_repeats=settings["nulls"]
                )
                for place, x in places.items()
            }
            kappas = {place: one.statistics["kappa"] for place, one in rows[name].items()}
            found[form, head, seed] = kappas
            shown = ", ".join(
                f"{place} kappa {k.value:.3f} (p {k.p:.2g})" for place, k in kappas.items()
            )
            print(f"{name:<28} test accuracy {right(net, head):.3f}, {shown}")
ppp.plot_grid(
    {name: columns for name, columns in rows.items() if name.endswith("0")},
    panel=1.9,
    title=f"{settings['data']} standardised, classifiers of two layers\n"
    f"of {WIDTH}, {settings['epochs']} epochs,\n{ours(preset)}",
)
show("beyond_heads", preset)


# %%
# Does the head bring a frame along?
# ----------------------------------
def said(place):
    """Return kappa of all networks at a place, by form and head."""
    return "; ".join(
        f"{form}, {head} "
        + ", ".join(
            f"{found[form, head, s][place].value:.2f} (p {found[form, head, s][place].p:.2g})"
            for s in range(settings["repeats"])
        )
        for form in FORMS
        for head in HEADS
    )


# Networks of one seed start from the same hidden weights, whatever their form.
kappas = {
    head: np.array(
        [
            [found[form, head, s]["outputs"].value for s in range(settings["repeats"])]
            for form in FORMS
        ]
    )
    for head in HEADS
}
counted, p, seen = higher(kappas["one-hot"], kappas["binary"])
# Two networks a seed, one for each head: the lesser p times two.
moved = [
    2 * min(found["isotropic-tanh", head, s]["hidden layer"].p for head in HEADS) <= LEVEL
    for s in range(settings["repeats"])
]
chance = by_chance(sum(moved), len(moved))
frames = f"kappa in {settings['nulls']} random frames, network by network"
claims = [
    Claim(
        "one-hot outputs lie nearer to their axes than binary ones",
        f"kappa {counted}: {said('outputs')}",
        f"{frames}; sign test over seeds, one-sided p {p:.2g}",
        seen,
    ),
    Claim(
        "the head's frame reaches the neurons of the layer before it, isotropic or not",
        said("hidden layer"),
        f"{frames}; isotropic ones told in {sum(moved)} of {len(moved)} seeds, lesser p of two "
        f"heads times two; so many by chance: p {chance:.2g}",
        "yes" if chance <= LEVEL else "not seen, which on so few networks rules little out",
    ),
]
print(*claims, sep="\n")
keep("beyond_heads", preset, dicts(claims))
