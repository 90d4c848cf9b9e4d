"""The multilayer perceptron whose hidden layers may change width."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from isotropic.affine import FORMS as LAYERS
from isotropic.affine import PSI_KINDS, Affine, shape_in_state
from isotropic.checks import require_whole
from isotropic.initialisers import haar
from isotropic.intrinsic import OMEGA_KINDS, SCALES, RadialActivation
from isotropic.modules import FORMS
from isotropic.modules import activation as make_activation

#: Names of the activations that act along axes of their own, whatever the network does.
ELEMENTWISE = tuple(name for name, form in FORMS.items() if form.group != "O(n)")


class MLP(nn.Module):
    """A perceptron of isotropic (or, for comparison, elementwise) layers.

    Parameters
    ----------
    widths : sequence of int
        Input, hidden and output widths; at least two numbers.
    activation : str
        "isotropic-tanh" or another isotropic one of :func:`isotropic.activation`; or, for
        comparison, an elementwise one ("tanh", "relu", ...), whose widths no rotation can adapt.
    omega : str
        Squared intrinsic length of every hidden layer: "absent", "fixed" or "trainable". "auto"
        is trainable for isotropic activations, absent for elementwise ones.
    psi : str
        The vector that absorbs what pruned neurons added: "absent", "constant", "trainable",
        "decay" (trainable, and part of :meth:`penalty`), or "expectation" (none; their mean
        goes into the bias). "auto" is "decay" where it can be, else "absent".
    initial_omega : float
        Where omega starts, positive.
    psi_decay : float
        Strength of :meth:`penalty`, at least 0.
    normaliser : callable, optional
        Makes one module per hidden layer from its width, applied after the activation. Then psi
        must be "absent": a normaliser would have to carry the scalar factor along.
    dtype, device : optional
        As everywhere in torch.

    Attributes
    ----------
    layers : ModuleList
        The affine layers, counted from 0.
    activations, norms : ModuleList
        One per hidden layer; hook ``activations.0`` to see the first latent layer.

    Raises
    ------
    ValueError
        Widths that are none, an unknown name, kinds that do not go together, or numbers out of
        their range.

    Notes
    -----
    Weights start orthogonal, biases and psi at zero (adaptive-topology paper, App. I). Any state
    dict of any such network loads, whatever its widths and forms: layers are remade to fit, so
    make an optimiser after loading, not before.

    Examples
    --------
    >>> import torch
    >>> net = MLP([4, 8, 3])
    >>> net(torch.zeros(5, 4)).shape
    torch.Size([5, 3])
    >>> net.widths
    [4, 8, 3]
    """

    layers: Any
    activations: Any
    norms: Any

    def __init__(
        self,
        widths: Sequence[int],
        activation: str = "isotropic-tanh",
        *,
        omega: str = "auto",
        psi: str = "auto",
        initial_omega: float = 1e-6,
        psi_decay: float = 0.1,
        normaliser: Callable[[int], nn.Module] | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if len(widths) < 2 or min(widths) < 1:
            raise ValueError(f"widths must be two or more positive numbers, got {list(widths)}")
        widths = [require_whole("widths", width, 1) for width in widths]
        if not 0 <= psi_decay < math.inf:
            raise ValueError(f"psi_decay must be finite and at least 0, got {psi_decay}")
        self.activation = activation
        self.omega_kind, self.psi_kind = _kinds(activation, omega, psi, normaliser is not None)
        self.initial_omega = initial_omega
        self.psi_decay = psi_decay
        self.normaliser = normaliser
        self._factory: dict[str, Any] = {"dtype": dtype, "device": device}
        self.layers = nn.ModuleList()
        self.activations = nn.ModuleList()
        self.norms = nn.ModuleList()
        for index, (before, after) in enumerate(pairwise(widths)):
            layer = self.new_layer(index, before, after)
            haar(layer.weight)
            self.layers.append(layer)
            if index < len(widths) - 2:
                self.activations.append(self.new_activation())
                self.norms.append(self.new_norm(after))

    @property
    def depth(self) -> int:
        """The number of affine layers."""
        return len(self.layers)

    @property
    def widths(self) -> list[int]:
        """Input, hidden and output widths as they are now."""
        first = self.layers[0].in_features
        return [first, *(layer.out_features for layer in self.layers)]

    @property
    def is_isotropic(self) -> bool:
        """Whether the activation commutes with every rotation."""
        return self.activation in SCALES

    def new_layer(self, index: int, before: int, after: int, form: str = "dense") -> Any:
        """Make a layer of this network's kind, all zeros, without putting it anywhere.

        Parameters
        ----------
        index : int
            Where it would stand; the first layer has no psi.
        before, after : int
            Input and output width.
        form : str
            "dense", "left", "diagonal" or "triangular".

        Returns
        -------
        Affine
            The new layer.
        """
        return LAYERS[form](before, after, self.psi_kind if index else "absent", **self._factory)

    def new_activation(self) -> nn.Module:
        """Make one activation of this network's kind.

        Returns
        -------
        Module
            A radial or an elementwise activation.
        """
        if not self.is_isotropic:
            return make_activation(self.activation)
        return RadialActivation(
            self.activation,
            omega=self.omega_kind,
            initial_omega=self.initial_omega,
            track_scale=self.psi_kind != "absent",
            **self._factory,
        )

    def new_norm(self, width: int) -> nn.Module:
        """Make one normaliser of this network's kind.

        Parameters
        ----------
        width : int
            Width of the hidden layer.

        Returns
        -------
        Module
            What the network's factory makes, or the identity; on the network's device.
        """
        made = nn.Identity() if self.normaliser is None else self.normaliser(width)
        return made.to(self.layers[0].bias.device)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits of a batch.

        Parameters
        ----------
        x : Tensor (..., n)
            Inputs; images ``(B, ...)`` of n numbers are flattened.

        Returns
        -------
        Tensor (..., outputs)
            The last layer's pre-activations.
        """
        z = self.layers[0](self._flat(x))
        for layer, activation, norm in zip(
            self.layers[1:], self.activations, self.norms, strict=True
        ):
            if isinstance(activation, RadialActivation):
                scale = activation.scale(z)
                z = layer(norm(activation(z, scale)), scale)
            else:
                z = layer(norm(activation(z)))
        return z

    def penalty(self) -> Tensor:
        """Return what makes psi decay when added to the loss: ``psi_decay * sum |psi|^2``.

        Returns
        -------
        Tensor ()
            Zero unless psi is "decay".
        """
        total = self.layers[0].bias.new_zeros(())
        if self.psi_kind == "decay":
            for layer in self.layers[1:]:
                total = total + layer.psi.square().sum()
        return self.psi_decay * total

    def parameter_groups(self, weight_decay: float = 1e-3) -> list[dict[str, Any]]:
        """Parameters for an optimiser, with weight decay on matrices only.

        That is what layers make their matrices of, singular values included. Decay would pull log
        omega to 0, that is omega to 1, gains of normalisers to 0, and psi and biases off their
        meaning.

        Parameters
        ----------
        weight_decay : float
            Decay of the matrices.

        Returns
        -------
        list of dict
            Two parameter groups.
        """
        decayed: list[nn.Parameter] = []
        plain: list[nn.Parameter] = []
        for name, parameter in self.named_parameters():
            matrix = name.startswith("layers.") and not name.endswith(("bias", "psi"))
            (decayed if matrix else plain).append(parameter)
        return [
            {"params": decayed, "weight_decay": weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]

    @torch.no_grad()
    def measure(self, x: Tensor) -> None:
        """Set the mean scalar factor of every hidden layer from data.

        Training keeps it up to date by itself; a network that was only built or loaded may need
        it before neurons with a live psi are pruned, or when psi is "expectation".

        Parameters
        ----------
        x : Tensor (..., n)
            Inputs, as :meth:`forward` takes them.
        """
        if self.psi_kind == "absent":
            raise ValueError("a network with psi='absent' has no use for mean scalar factors")
        z = self.layers[0](self._flat(x))
        for layer, activation in zip(self.layers[1:], self.activations, strict=True):
            scale = activation.scale(z)
            activation.reset_scale()
            activation.add_scale(scale)
            z = layer(activation(z, scale), scale)

    def _flat(self, x: Tensor) -> Tensor:
        """Flatten images to rows, and leave sequences of rows alone."""
        image = x.dim() > 2 and x.shape[-1] != self.layers[0].in_features
        return x.flatten(1) if image else x

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        # Children load after this, so remaking them here is in time.
        self._fit_to(state_dict, prefix + "layers.")
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _fit_to(self, state: dict[str, Tensor], prefix: str) -> None:
        """Remake the layers whose form or width differs from a state dict's."""
        entries: dict[int, dict[str, Tensor]] = {}
        for key, tensor in state.items():
            if key.startswith(prefix):
                number, name = key[len(prefix) :].split(".", 1)
                entries.setdefault(int(number), {})[name] = tensor
        if sorted(entries) != list(range(len(entries))) or len(entries) < 1:
            return
        shapes = _shapes(entries, self.layers[0].in_features)
        for index, (form, before, after) in enumerate(shapes):
            new = self.new_layer(index, before, after, form).to(self.layers[0].bias)
            if index >= self.depth:
                activation = self.new_activation().to(new.bias)
                self.layers.append(new.train(self.training))
                self.activations.append(activation.train(self.training))
                self.norms.append(self.new_norm(before).train(self.training))
            elif _signature(self.layers[index]) != _signature(new):
                self.layers[index] = new.train(self.layers[index].training)
                if index < len(entries) - 1 and index < len(self.norms):
                    training = self.norms[index].training
                    self.norms[index] = self.new_norm(after).train(training)
        del self.layers[len(entries) :]
        del self.activations[len(entries) - 1 :]
        del self.norms[len(entries) - 1 :]

    def extra_repr(self) -> str:
        """Widths and activation."""
        return f"{self.widths}, {self.activation!r}"


def _shapes(entries: dict[int, dict[str, Tensor]], width: int) -> list[tuple[str, int, int]]:
    """Form and widths of every layer in a state dict; ``width`` where the first tells none."""
    shapes: list[tuple[str, int, int]] = []
    for index in range(len(entries)):
        form, after, stored = shape_in_state(entries[index])
        if index and stored not in (None, width):
            raise ValueError(
                f"layer {index} of a state dict must take the {width} features that the layer "
                f"before gives, got a matrix for {stored}: load that of one whole network"
            )
        shapes.append((form, stored or width, after))
        width = after
    return shapes


def _signature(layer: Affine) -> tuple[str, int, int, str]:
    return layer.form, layer.in_features, layer.out_features, layer.psi_kind


def _kinds(activation: str, omega: str, psi: str, normalised: bool) -> tuple[str, str]:
    """Check and settle the kinds of omega and psi."""
    names = [*SCALES, *ELEMENTWISE]
    if activation not in names:
        raise ValueError(f"activation must be one of {', '.join(names)}, got {activation!r}")
    radial = activation in SCALES
    if omega == "auto":
        omega = "trainable" if radial else "absent"
    if psi == "auto":
        psi = "decay" if radial and not normalised else "absent"
    if omega not in OMEGA_KINDS:
        raise ValueError(f"omega must be one of {', '.join(OMEGA_KINDS)}, got {omega!r}")
    if psi not in PSI_KINDS:
        raise ValueError(f"psi must be one of {', '.join(PSI_KINDS)}, got {psi!r}")
    if not radial and (omega, psi) != ("absent", "absent"):
        raise ValueError(
            f"{activation!r} acts on each neuron by itself and has no norm for omega or psi to "
            f"correct: leave both at 'auto', got omega={omega!r}, psi={psi!r}"
        )
    if normalised and psi != "absent":
        raise ValueError(f"with a normaliser psi must be 'absent', got {psi!r}")
    return omega, psi
