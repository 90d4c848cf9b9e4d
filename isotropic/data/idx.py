"""The idx format of MNIST, Fashion-MNIST and EMNIST."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

#: Element type by the third byte of the file; numbers are big-endian.
DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

#: The most dimensions of an array.
MOST = 64


def find_idx(folder: Path, name: str) -> Path | None:
    """Return ``name`` or ``name.gz`` in ``folder``, or None where neither is there.

    The gzipped originals remember another spelling, ``train-images.idx3-ubyte``, which some
    programs give the file that they unpack.
    """
    names = (name, f"{name}.gz", name.replace("-idx", ".idx"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def read_idx(path: str | Path) -> np.ndarray:
    """Read an idx file, gzipped or not.

    Parameters
    ----------
    path : path
        The file; a name ending in ``.gz`` is unpacked on the way.

    Returns
    -------
    array
        In the shape and element type that the header declares, native byte order.

    Raises
    ------
    ValueError
        Not an idx file, or its length is not what the header declares.
    """
    path = Path(path)
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(
            f"{path} must be a gzipped idx file, but: {error}: get it again"
        ) from error
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in DTYPES or not 0 < raw[3] <= MOST:
        raise ValueError(f"{path} must be an idx file, but starts with {raw[:4].hex(' ')!r}")
    dtype, header = np.dtype(DTYPES[raw[2]]), 4 + 4 * raw[3]
    if len(raw) < header:
        raise ValueError(f"{path} is cut off inside its header: get the file again")
    shape = struct.unpack(f">{raw[3]}I", raw[4:header])
    wanted = header + dtype.itemsize * math.prod(shape)
    if len(raw) != wanted:
        raise ValueError(
            f"{path} is cut off or padded: its header declares shape {shape}, {wanted} bytes, "
            f"but it has {len(raw)}: get the file again"
        )
    array = np.frombuffer(raw, dtype, offset=header).reshape(shape)
    return array.astype(dtype.newbyteorder("="))
