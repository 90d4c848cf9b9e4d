"""Many autoencoders of one shape, stepped together: stacked parameters, forward and backward.

The gain over one loop per network is less arithmetic than bookkeeping: products are batched, the
momentum buffers are updated by the product that makes the gradient, and nothing is allocated in a
step. Networks with the same seed see the same batch, so their encoders share one product.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from isotropic.models import Autoencoder


@dataclass
class Layer:
    """One stacked affine map with its momentum; ``weight (G, out, in)``, ``bias (G, 1, out)``."""

    weight: Tensor
    bias: Tensor
    weight_momentum: Tensor
    bias_momentum: Tensor

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor) -> Layer:
        """Take copies of the parameters, with momenta of zero."""
        weight, bias = weight.detach().contiguous().clone(), bias.detach().contiguous().clone()
        return cls(weight, bias, torch.zeros_like(weight), torch.zeros_like(bias))

    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return parameters and momenta."""
        return self.weight, self.bias, self.weight_momentum, self.bias_momentum


class Stack:
    """Autoencoders of one shape, for every pair of a seed and an activation.

    Parameters
    ----------
    networks : sequence of sequence of Autoencoder
        ``networks[s][a]``: one row a seed, one column an activation. Their parameters are copied.
        The activations must be free of parameters of their own.
    rate, momentum : float
        Of SGD.

    Raises
    ------
    ValueError
        An activation has parameters, or looks at more than one vector.
    """

    def __init__(
        self, networks: Sequence[Sequence[Autoencoder]], rate: float, momentum: float
    ) -> None:
        first = networks[0][0]
        self.rate, self.momentum = rate, momentum
        self.seeds, self.forms = len(networks), len(networks[0])
        self.width, self.features, self.depth = first.width, first.features, first.blocks
        self.activations = [_activations(network) for network in networks[0]]
        flat = [network for row in networks for network in row]
        self.layers = [self._encoder(networks)]
        self.layers += [
            _stack([_affine(network)[k] for network in flat]) for k in range(1, self.depth + 2)
        ]
        self._spaces: dict[int, Workspace] = {}

    def _encoder(self, networks: Sequence[Sequence[Autoencoder]]) -> Layer:
        weight = torch.stack([torch.cat([m.encoder.weight for m in row]) for row in networks])
        bias = torch.stack([torch.cat([m.encoder.bias for m in row]) for row in networks])
        return Layer.of(weight, bias.unsqueeze(1))

    @torch.no_grad()
    def unstack(self, networks: Sequence[Sequence[Autoencoder]]) -> None:
        """Copy the parameters back into ``networks[s][a]``."""
        for s, row in enumerate(networks):
            for a, network in enumerate(row):
                for k, affine in enumerate(_affine(network)):
                    weight, bias, *_ = self._of(k, s, a)
                    affine.weight.copy_(weight)
                    affine.bias.copy_(bias)

    def state(self) -> list[list[Tensor]]:
        """Return parameters and momenta of every layer, not copied."""
        return [list(layer.tensors()) for layer in self.layers]

    @torch.no_grad()
    def load(self, state: Sequence[Sequence[Tensor]]) -> None:
        """Take over what :meth:`state` returned."""
        for layer, saved in zip(self.layers, state, strict=True):
            for mine, theirs in zip(layer.tensors(), saved, strict=True):
                mine.copy_(theirs)

    def _of(self, k: int, s: int, a: int) -> list[Tensor]:
        """Return parameters and momenta of one network's layer ``k``."""
        tensors = self.layers[k].tensors()
        if k == 0:
            part = slice(a * self.width, (a + 1) * self.width)
            weight, bias, weight_momentum, bias_momentum = tensors
            return [
                weight[s, part],
                bias[s, 0, part],
                weight_momentum[s, part],
                bias_momentum[s, 0, part],
            ]
        return [tensor[s * self.forms + a].squeeze(0) for tensor in tensors]

    @torch.no_grad()
    def step(self, inputs: Tensor, index: Tensor, errors: Tensor) -> None:
        """Take one step of SGD with every network, on its seed's batch.

        Parameters
        ----------
        inputs : (N, d) tensor
            Inputs and targets at once.
        index : (S, B) int64 tensor
            The batch of each seed.
        errors : (S, A) tensor
            The sums of squared errors of the batch are added to it.
        """
        batch = index.shape[1]
        if batch not in self._spaces:
            self._spaces[batch] = Workspace(self, batch, inputs)
        space = self._spaces[batch]
        torch.index_select(inputs, 0, index.reshape(-1), out=space.flat)
        tapes = self._forward(space)
        space.errors.view(self.seeds, self.forms, batch, -1).sub_(space.x.unsqueeze(1))
        lengths = torch.linalg.vector_norm(space.errors.flatten(1), dim=1)
        errors += lengths.square_().view_as(errors)
        self._backward(space, tapes)
        for layer in self.layers:
            layer.weight.add_(layer.weight_momentum, alpha=-self.rate)
            layer.bias.add_(layer.bias_momentum, alpha=-self.rate)

    def _forward(self, space: Workspace) -> list[list[tuple[Tensor, Tensor]]]:
        """Fill the workspace up to the outputs; return each activation's input and output."""
        encoder = self.layers[0]
        torch.baddbmm(encoder.bias, space.x, encoder.weight.mT, out=space.wide)
        z = self._by_form(space.wide)
        tapes = []
        for k, layer in enumerate(self.layers[1:]):
            tapes.append([self._activate(a, k, z[:, a]) for a in range(self.forms)])
            for a, (_, h) in enumerate(tapes[-1]):
                space.hidden[k][:, a] = h.detach()
            out = space.errors if k == self.depth else space.latent[k]
            torch.baddbmm(layer.bias, space.hidden[k].flatten(0, 1), layer.weight.mT, out=out)
            z = out.view(self.seeds, self.forms, -1, out.shape[-1])
        return tapes

    def _by_form(self, wide: Tensor) -> Tensor:
        """View ``(S, B, A n)`` as ``(S, A, B, n)``."""
        return wide.view(self.seeds, -1, self.forms, self.width).transpose(1, 2)

    @torch.enable_grad()
    def _activate(self, a: int, k: int, z: Tensor) -> tuple[Tensor, Tensor]:
        leaf = z.detach().requires_grad_()
        return leaf, self.activations[a][k](leaf)

    def _backward(self, space: Workspace, tapes: list[list[tuple[Tensor, Tensor]]]) -> None:
        """Accumulate every gradient into its momentum: m <- mu m + g, in the product itself."""
        grad = space.errors
        alpha = 2.0 / (grad.shape[1] * grad.shape[2])
        for k in range(self.depth, -1, -1):
            layer, hidden = self.layers[k + 1], space.hidden[k].flatten(0, 1)
            torch.bmm(grad, layer.weight, out=space.grads[k].flatten(0, 1))
            _accumulate(layer, grad, hidden, self.momentum, alpha)
            down = space.down[k]
            slots = self._by_form(down) if k == 0 else down.view(space.grads[k].shape)
            for a, (z, h) in enumerate(tapes[k]):
                (slots[:, a],) = torch.autograd.grad(h, z, space.grads[k][:, a])
            grad = down
        _accumulate(self.layers[0], grad, space.x, self.momentum, alpha)


class Workspace:
    """The buffers of one step, for one batch size."""

    def __init__(self, stack: Stack, batch: int, like: Tensor) -> None:
        s, a, n = stack.seeds, stack.forms, stack.width
        self.flat = like.new_empty(s * batch, stack.features)
        self.x = self.flat.view(s, batch, stack.features)
        self.wide = like.new_empty(s, batch, a * n)
        self.hidden = [like.new_empty(s, a, batch, n) for _ in range(stack.depth + 1)]
        self.grads = [like.new_empty(s, a, batch, n) for _ in range(stack.depth + 1)]
        self.latent = [like.new_empty(s * a, batch, n) for _ in range(stack.depth)]
        # Gradients need room of their own: the tapes still hold what they are gradients of.
        self.down = [torch.empty_like(z) for z in (self.wide, *self.latent)]
        self.errors = like.new_empty(s * a, batch, stack.features)


def _accumulate(layer: Layer, grad: Tensor, x: Tensor, momentum: float, alpha: float) -> None:
    weight, bias = layer.weight_momentum, layer.bias_momentum
    torch.baddbmm(weight, grad.mT, x, beta=momentum, alpha=alpha, out=weight)
    bias.mul_(momentum).add_(grad.sum(1, keepdim=True), alpha=alpha)


def _affine(network: Autoencoder) -> list[nn.Linear]:
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


def _activations(network: Autoencoder) -> list[nn.Module]:
    """Return the activations of a network, from the encoder's side on."""
    found = [block[0] for block in (*network.hidden, network.decoder)]
    for module in found:
        if any(True for _ in module.parameters()):
            raise ValueError(
                f"activations of an ensemble must have no parameters, got {module}: train such "
                "networks one by one"
            )
        _require_alone(module, network)
    return found


@torch.no_grad()
def _require_alone(module: nn.Module, network: Autoencoder) -> None:
    """Refuse what mixes the networks of a stack: statistics of a batch, or another dimension."""
    probe, n = copy.deepcopy(module), network.width
    x = torch.linspace(-1, 3, 6 * n, dtype=network.encoder.weight.dtype).view(2, 3, n)
    wanted = torch.stack([probe(each) for each in x])
    if not torch.allclose(probe(x), wanted):
        raise ValueError(
            f"activations of an ensemble must act on each vector, the last dimension, alone, got "
            f"{module}: train such networks one by one"
        )


def _stack(layers: list[nn.Linear]) -> Layer:
    weight = torch.stack([layer.weight for layer in layers])
    bias = torch.stack([layer.bias for layer in layers]).unsqueeze(1)
    return Layer.of(weight, bias)
