"""Networks that change their width: diagonalise, sparsify, grow, prune, and look inside."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={})
