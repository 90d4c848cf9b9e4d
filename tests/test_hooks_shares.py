"""Several processes, one store."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest
import torch
from torch import nn

import hooks

X = torch.randn(9000, 6, generator=torch.Generator().manual_seed(1))
Y = torch.arange(9000) % 7


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))


PROGRAM = """
    import sys, torch, hooks
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset
    from torch.utils.data.distributed import DistributedSampler
    rank, world = int(sys.argv[1]), 2
    torch.set_num_threads(1)
    meet = f"file://{sys.argv[2]}"
    torch.distributed.init_process_group("gloo", meet, rank=rank, world_size=world)
    torch.manual_seed(0)
    bare = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    model = nn.parallel.DistributedDataParallel(bare)
    draw = torch.Generator().manual_seed(1)
    data = TensorDataset(torch.randn(5001, 6, generator=draw), torch.arange(5001) % 7)
    for number, indexed in enumerate((False, True)):
        sampler = DistributedSampler(data, shuffle=indexed)
        loader = DataLoader(hooks.indexed(data) if indexed else data, 100, sampler=sampler)
        store = hooks.record(model, loader, "*", sys.argv[3 + number], progress=False)
        assert len(store["0"]) == 5001, len(store["0"])
    torch.distributed.destroy_process_group()
"""


def test_several_processes_write_one_store(model, tmp_path):
    paths = [tmp_path / "plain.store", tmp_path / "indexed.store"]
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONWARNINGS": "ignore",
    }
    ranks = [
        subprocess.Popen(
            [sys.executable, str(program), str(rank), str(tmp_path / "meet"), *map(str, paths)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [rank.communicate(timeout=300)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], errors
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(5001, 6, generator=draw)
    for path in paths:
        store = hooks.ActivationStore(path)
        assert len(store.files) == 2
        assert store.layers == ["0", "1", "2"]
        layer = store["2"]
        assert sorted(layer.sample) == list(range(5001))
        with torch.no_grad():
            assert torch.allclose(layer.rows(), model(x)[layer.sample], atol=1e-5)
        assert (layer.label == layer.sample % 7).all()
        assert hooks.verify(path).ok


def test_processes_that_do_not_know_each_other_share_a_store(model, tmp_path):
    path = tmp_path / "a.store"
    for number in range(3):
        with hooks.Recorder(path, share=(number, 3)) as recorder:
            recorder.record(model, [(X[number::3], Y[number::3])], "0")
        assert path.exists() == (number == 2)
    layer = hooks.ActivationStore(path)["0"]
    assert sorted(layer.sample) == list(range(9000))
    with torch.no_grad():
        assert torch.allclose(layer.rows(), model[0](X)[layer.sample], atol=1e-5)
    with pytest.raises(hooks.StoreError, match=r"3 processes write a folder of shards: call it"):
        hooks.Recorder(tmp_path / "b.h5", share=(0, 3))
    with pytest.raises(hooks.StoreError, match="0 <= number < count"):
        hooks.Recorder(path, share=(3, 3))
