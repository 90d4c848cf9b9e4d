"""Choose a model's layers, capture their outputs as rows, store them and read them back."""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "blocks": ["Block"],
        "capturing": ["Captured", "capture"],
        "choosing": ["select"],
        "errors": [
            "CaptureError",
            "HooksError",
            "IncompleteStoreError",
            "LayerNotFoundError",
            "OutputError",
            "StoreError",
        ],
        "indexing": ["indexed"],
        "listing": ["layers"],
        "recording": ["Recorder", "record"],
        "rowrules": ["RowRule"],
        "store": ["ActivationStore"],
        "storelayer": ["StoreLayer"],
        "streaming": ["stream"],
    },
)
