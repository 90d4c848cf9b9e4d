"""Reference networks: the autoencoder of the PPP paper."""

from __future__ import annotations

import math

import torch
from torch import nn

from isotropic.checks import require_whole
from isotropic.draws import fill
from isotropic.forms import Activation
from isotropic.initialisers import INITIALISERS
from isotropic.modules import activation as make_activation


class Autoencoder(nn.Module):
    """The autoencoder of the PPP paper's Appendix E, of any width and depth.

    Encoder: an affine map to ``width`` numbers. Hidden: ``blocks`` times an activation followed by
    an affine map. Decoder: an activation followed by an affine map back. Latent layer 0 is the
    encoder's output, before any activation; latent layer k is the output of the k-th block.

    Parameters
    ----------
    features : int
        Numbers per input once flattened: 784 for 28 x 28 images.
    width : int, default 18
        Neurons n of every latent layer.
    blocks : int, default 0
        Hidden blocks L.
    activation : str or Module, default "isotropic-tanh"
        A name known to :func:`isotropic.activation`, or a module, of which each place gets a copy.
    generator : torch.Generator, optional
        Where the weights are drawn from. The order of drawing does not depend on the activation:
        equal seeds give equal weights in paired networks.
    dtype : torch.dtype, default torch.float64
        Of all parameters.

    Raises
    ------
    ValueError
        A size is too small, no activation has that name, or its frame has another width.

    Notes
    -----
    Weights Xavier-normal (gain 1), biases zero.

    Examples
    --------
    >>> ae = Autoencoder(64, width=6, blocks=2, activation="tanh")
    >>> ae(torch.zeros(5, 8, 8, dtype=torch.float64)).shape
    torch.Size([5, 8, 8])
    >>> ae.latent_layers
    ('encoder', 'hidden.0', 'hidden.1')
    """

    def __init__(
        self,
        features: int,
        width: int = 18,
        blocks: int = 0,
        activation: str | nn.Module = "isotropic-tanh",
        *,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__()
        features = require_whole("features", features, 1)
        width, blocks = require_whole("width", width, 1), require_whole("blocks", blocks, 0)
        self.features, self.width, self.blocks = features, width, blocks
        self.encoder = nn.Linear(features, width, dtype=dtype)
        self.hidden = nn.ModuleList(
            nn.Sequential(make_activation(activation), nn.Linear(width, width, dtype=dtype))
            for _ in range(blocks)
        )
        self.decoder = nn.Sequential(
            make_activation(activation), nn.Linear(width, features, dtype=dtype)
        )
        self.to(self.encoder.weight.device)  # an activation may come from another one
        self._require_frames()
        self.reset(generator)

    def _require_frames(self) -> None:
        for form in self.modules():
            frame = form.frame if isinstance(form, Activation) else None
            if frame is not None and frame.shape[1] != self.width:
                raise ValueError(
                    f"frame of the activation must be as wide as the layers, got {frame.shape[1]} "
                    f"and {self.width}"
                )

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draw new Xavier-normal weights, encoder first, and set all biases to zero."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                fill(module.weight, INITIALISERS["xavier-normal"].fill, generator)
                nn.init.zeros_(module.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Reconstruct ``x (B, ...)`` in its shape, in the precision of the weights."""
        if x.ndim < 2 or math.prod(x.shape[1:]) != self.features:
            raise ValueError(
                f"inputs must be (B, ...) of {self.features} numbers each, got {tuple(x.shape)}"
            )
        # rows of any precision are taken: weights are float64 by default, data mostly are not
        latent = self.encoder(x.flatten(1).to(self.encoder.weight.dtype))
        for block in self.hidden:
            latent = block(latent)
        return self.decoder(latent).reshape(x.shape)

    def latent_layer(self, k: int) -> str:
        """Return the name of latent layer ``k``, 0 <= k <= blocks, to hook it by."""
        if not 0 <= k <= self.blocks:
            raise ValueError(f"latent layer must lie in 0 ... {self.blocks}, got {k}")
        return "encoder" if k == 0 else f"hidden.{k - 1}"

    @property
    def latent_layers(self) -> tuple[str, ...]:
        """Names of all latent layers, in order."""
        return tuple(self.latent_layer(k) for k in range(self.blocks + 1))
