"""Damage that no row's checksum sees: labels, ids, counters, offsets and attributes."""

from __future__ import annotations

import h5py
import pytest
import torch
import xxhash
from interrupted import X, Y, interrupt, loader, network, record, same
from torch import nn

import hooks
from hooks import files, sealing
from hooks.attributes import read_attributes, write_attributes


@pytest.fixture
def path(tmp_path):
    record(network(), loader(), ["0"], tmp_path / "a.h5", fields={"double": lambda b: 2 * b[1]})
    return tmp_path / "a.h5"


def flip(path, name, byte):
    """Flip a bit in a dataset's numbers."""
    with h5py.File(path) as file:
        start = file[name].id.get_offset()
    data = bytearray(path.read_bytes())
    data[start + byte] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["label", "id", "double", "checksum"])
def test_a_flipped_bit_beside_the_rows_is_found(path, name):
    flip(path, f"/samples/{name}", 8 * 7000)
    store = hooks.ActivationStore(path)
    message = r"1 inputs in /samples, the first at 7000, are not what was written \(checksum\)"
    for read in (
        lambda: store.labels,
        lambda: store.samples,
        lambda: store.fields,
        lambda: list(store["0"].blocks()),
        lambda: store["0"].label,
    ):
        with pytest.raises(hooks.StoreError, match=message):
            read()
    report = hooks.verify(path)
    assert len(report.problems) == 1
    assert "/samples" in report.problems[0]
    assert (report.blocks, report.rows) == (5, 9000)
    assert len(hooks.ActivationStore(path, check=False)["0"].block(0)) == 2048


def test_a_flipped_label_is_not_gone_on_with(tmp_path):
    path = tmp_path / "a.h5"
    interrupt(network(), path)
    flip(next((tmp_path / "a.h5.partial").glob("*.h5")), "/samples/label", 0)
    for go_on in (
        lambda: record(network(), loader(), "*", path, resume=True),
        lambda: hooks.recover(path),
    ):
        with pytest.raises(hooks.StoreError, match="are not what was written"):
            go_on()


def test_the_digest_can_be_made_without_this_package(path):
    with h5py.File(path) as file:
        samples = file["/samples"]
        assert "in the order of their names" in samples.attrs["checksum"].decode()
        for i in (0, 1, 8999):
            data = b"".join(samples[name][i].tobytes() for name in ("id", "double", "label"))
            assert samples["checksum"][i] == xxhash.xxh3_64_intdigest(data)


def test_a_counter_that_lost_blocks_is_found(path):
    with h5py.File(path, "r+") as file:
        assert file["/layers/0/block"][2] == 4096
        file["/layers/0/committed"][...] = 4096
    with pytest.raises(hooks.StoreError, match=r"are not what was written \(seal\)"):
        hooks.ActivationStore(path)
    assert "(seal)" in hooks.verify(path).problems[0]


@pytest.mark.parametrize("name", ["rule", "source_dtype", "module_type", "fingerprint"])
def test_an_attribute_that_changed_is_found(path, name):
    with h5py.File(path, "r+") as file:
        group = file["/layers/0"]
        write_attributes(group, {name: group.attrs[name].decode()[:-1] + " "})
    with pytest.raises(hooks.StoreError, match=r"\(seal\)"):
        hooks.ActivationStore(path)


def test_files_from_before_the_seal_are_read_and_gone_on_with(tmp_path):
    whole = record(network(), loader(), "*", tmp_path / "whole.h5")
    path = tmp_path / "a.store"
    interrupt(network(), path)

    def age(file):
        with h5py.File(file, "r+") as inside:
            del inside.attrs["seal"], inside["/samples"].attrs["checksum"]
            del inside["/samples/checksum"]
            # texts of variable length
            for group in (inside, *inside["layers"].values()):
                for name, value in group.attrs.items():
                    if isinstance(value, bytes):
                        del group.attrs[name]
                        group.attrs[name] = value.decode()

    age(next((tmp_path / "a.store.partial").glob("*.h5")))
    store = record(network(), loader(), "*", path, resume=True)
    assert len(store.files) == 2
    same(store, whole)
    age(whole.path)
    same(hooks.ActivationStore(whole.path), store)
    assert hooks.verify(whole.path).ok
    assert hooks.verify(path).ok


def test_texts_of_any_length_are_kept_out_of_hdf5s_heap(tmp_path):
    path = tmp_path / "a.h5"
    provenance = {"notes": "Bélanger " * 20_000, "empty": ""}
    attrs = {"text": "ü" * 40_000, "none": "", "rate": 0.5, "losses": [1, 2]}
    with hooks.Recorder(path, provenance=provenance) as recorder:
        recorder.record(network(), loader(), "0", snapshot="ä/b", attrs=attrs)
    store = hooks.ActivationStore(path)
    assert store.provenance == provenance
    assert store.snapshots == {"ä/b": {**attrs, "losses": "[1, 2]"}}
    assert b"GCOL" not in path.read_bytes()


def test_a_text_is_joined_from_its_pieces_alone(tmp_path):
    with files.open_h5(tmp_path / "a.h5", "w") as file:
        write_attributes(file, {"a": "x" * 70_000, "b": "y", "b +7": "z", "c +1": "w"})
        found = read_attributes(file, tmp_path / "a.h5", "/")
    assert found["a"] == "x" * 70_000
    assert found["b"] == "y"
    assert found["c +1"] == "w"


def test_an_input_of_no_field_has_a_digest_too(tmp_path):
    store = record(nn.Identity(), [torch.ones(4, 2)], "", tmp_path / "a.h5")
    assert store.samples.tolist() == [0, 1, 2, 3]
    assert len(set(sealing.sample_digests(store.samples, {}))) == 4
    assert len(sealing.sample_digests(store.samples[:0], {})) == 0
    flip(store.path, "/samples/id", 8)
    with pytest.raises(hooks.StoreError, match="1 inputs in /samples, the first at 1"):
        _ = hooks.ActivationStore(store.path).samples


@pytest.mark.parametrize("name", ["id", "committed", "checksum", "a/b", "", "."])
def test_a_field_must_not_take_a_name_of_the_stores(tmp_path, name):
    with pytest.raises(hooks.CaptureError, match="a field must have a name of its own"):
        record(network(), loader(), "0", tmp_path / "a.h5", fields={name: 1})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("second", [Y[:10] / 2, [str(y) for y in Y[:10]]])
def test_labels_are_not_cut_to_another_type(tmp_path, second):
    batches = [(X[:10], Y[:10]), (X[:10], second)]
    with pytest.raises(hooks.CaptureError, match=r"each of one type.*'whole numbers'.*and then"):
        record(network(), batches, "0", tmp_path / "a.h5")
    assert not (tmp_path / "a.h5").exists()


def test_whole_numbers_too_large_for_a_label_are_refused(tmp_path):
    large = torch.full((10,), 2**63 + 1, dtype=torch.uint64)
    with pytest.raises(hooks.CaptureError, match="must lie below 2"):
        record(network(), [(X[:10], large)], "0", tmp_path / "a.h5")
