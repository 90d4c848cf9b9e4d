"""Networks that change their width: diagonalise, sparsify, grow, prune, and look inside."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "forms": ["densify", "factorise"],
        "importance": ["importances", "scaffold_count"],
        "rotations": ["diagonalise", "rotate", "signed_svd", "singular_values"],
        "starts": ["new_biases", "new_columns"],
        "states": ["Carrier"],
        "widths": ["grow", "prune", "resize"],
    },
)
