"""Choose a model's layers, capture their outputs as rows, store them and read them back."""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "blocks": ["Block"],
        "checking": ["Report", "verify"],
        "capturing": ["Captured", "capture"],
        "choosing": ["select"],
        "combining": ["merge"],
        "errors": [
            "CaptureError",
            "HooksError",
            "IncompleteStoreError",
            "LayerNotFoundError",
            "OutputError",
            "StoreError",
        ],
        "estimates": ["Estimate", "estimate"],
        "indexing": ["indexed"],
        "listing": ["layers"],
        "storing": ["record"],
        "recording": ["Recorder"],
        "rowrules": ["RowRule"],
        "settling": ["recover"],
        "store": ["ActivationStore"],
        "storelayer": ["StoreLayer"],
        "streaming": ["stream"],
    },
)
