"""Downloads of the data sets' original files, each held against its checksum."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from isotropic.data.folders import cache_folder


@dataclass(frozen=True)
class Source:
    """Files of a data set and where to get them.

    Parameters
    ----------
    url : str
        The folder on the network, ending in a slash.
    files : dict
        File name to checksum, ``algorithm:digits``.
    """

    url: str
    files: dict[str, str]


#: Every data set that can be downloaded, by name. The checksums are those its publishers, or the
#: libraries everybody uses, give.
SOURCES: dict[str, Source] = {
    "mnist": Source(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        {
            "train-images-idx3-ubyte.gz": "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "md5:d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte.gz": "md5:9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "md5:ec29112dd5afa0611ce80d1b7f02629c",
        },
    ),
    "fashion-mnist": Source(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        {
            "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
        },
    ),
    "emnist": Source(
        "https://biometrics.nist.gov/cs_links/EMNIST/",
        {"gzip.zip": "md5:58c8d27c78d21e728a6bc7b3cc06412e"},
    ),
    "cifar-10": Source(
        "https://www.cs.toronto.edu/~kriz/",
        {"cifar-10-binary.tar.gz": "md5:c32a1d4ab5d03f1284b67883e8d87530"},
    ),
    "cifar-100": Source(
        "https://www.cs.toronto.edu/~kriz/",
        {"cifar-100-binary.tar.gz": "md5:03b5dce01913d631647c71ecec9e9cb8"},
    ),
    "caltech-256": Source(
        "https://data.caltech.edu/records/nyy15-4j048/files/",
        {"256_ObjectCategories.tar": "md5:67b4f42ca05d46448c6bb8ecd2220f6d"},
    ),
}
#: Names under which a part of another data set is known.
PARTS = {"emnist-a-j": "emnist"}


def fetch(name: str, folder: str | Path | None = None, *, progress: bool = False) -> Path:
    """Download a data set's files, where they are not there yet, and unpack archives.

    Parameters
    ----------
    name : str
        One of the names in ``isotropic.data.SOURCES``.
    folder : path, optional
        Where to put them; by default ``$PRIVILEGED_PLANES_DATA/NAME`` or the user's cache folder,
        where :func:`isotropic.data.load` looks for them.
    progress : bool, default False
        Show a bar for each file.

    Returns
    -------
    Path
        The folder, for the path argument of :func:`isotropic.data.load`.

    Raises
    ------
    ValueError
        The data set cannot be downloaded, or a file does not have its checksum; it is deleted.
    ConnectionError
        A file cannot be reached; the message names it.
    """
    name = PARTS.get(name, name)
    if name not in SOURCES:
        raise ValueError(f"name must be one of {', '.join(SOURCES)} to be downloaded, got {name!r}")
    target = cache_folder(name) if folder is None else Path(folder)
    for file, checksum in SOURCES[name].files.items():
        _retrieve(SOURCES[name].url + file, file, checksum, target, progress)
    return target


def _retrieve(url: str, file: str, checksum: str, target: Path, progress: bool) -> None:
    import pooch
    import requests

    try:
        pooch.retrieve(
            url,
            known_hash=checksum,
            fname=file,
            path=target,
            progressbar=progress,
            processor=_unpacker(file),
        )
    except requests.RequestException as error:
        raise ConnectionError(
            f"{url} cannot be reached ({error}): get the file some other way, put it in {target}, "
            "and try again"
        ) from error
    except ValueError as error:
        raise ValueError(
            f"{file} from {url} does not have the checksum {checksum}: the download was damaged or "
            f"the file has changed; nothing was kept ({error})"
        ) from error


def _unpacker(file: str) -> object:
    """Return what unpacks an archive into the folder that it lies in."""
    import pooch

    suffixes = PurePosixPath(file).suffixes
    if suffixes[-1:] == [".zip"]:
        return pooch.Unzip(extract_dir=".")
    return pooch.Untar(extract_dir=".") if ".tar" in suffixes else None
