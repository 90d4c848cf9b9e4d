"""Networks that change their width: diagonalise, sparsify, grow, prune, and look inside."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "adapter": ["Adaptation", "NeuroAdapter"],
        "channels": ["diagonalise_channels", "resize_channels"],
        "covariance": ["diagonalise_covariance"],
        "forms": ["densify", "factorise", "orthonormalise"],
        "ica": ["fast_ica", "find_components", "represent_components", "watch_components"],
        "importance": ["importances", "scaffold_count"],
        "insertion": ["insert_layer"],
        "joint": ["JointSparsity", "optimise_sparsity"],
        "nested": ["NestedMLP", "precompute"],
        "rotations": ["diagonalise", "rotate", "signed_svd", "singular_values"],
        "sparsity": [
            "count_parameters",
            "nonzero_parameters",
            "retained_fraction",
            "sparsify",
        ],
        "starts": ["gradient_share", "new_biases", "new_columns"],
        "states": ["Carrier"],
        "wider": ["widen_elementwise"],
        "widths": ["grow", "prune", "resize"],
    },
)
