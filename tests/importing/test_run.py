"""Foreign files: what is plain comes in, what could run code or fill the memory does not, and says so."""

import io
import os
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from recprune.artifact import inspect, load
from recprune.errors import ArtifactError
from recprune.importing.child import converted
from recprune.importing.refused import Refused
from recprune.importing.run import import_file, read_foreign
from recprune.models.lr import LR
from recprune.models.mf import MF

torch_save = torch.save


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.out = nn.Embedding(5, 3), nn.Linear(3, 5)
        self.register_buffer("steps", torch.tensor(7))
        self.out.weight = self.table.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.out(self.table(ids))


def test_a_state_dict_becomes_an_artifact_and_the_artifact_the_model(tmp_path: Path):
    net = Net()
    torch_save({"epoch": 3, "state_dict": net.state_dict()}, tmp_path / "net.pt")
    said = import_file(tmp_path / "net.pt", tmp_path / "bag", stands_for="mine:Net")
    assert said.tensors["table.weight"] == ("float32", (5, 3))
    assert inspect(tmp_path / "bag")["model"] == "mine:Net"
    with pytest.raises(ArtifactError, match="give a fresh instance"):
        load(tmp_path / "bag")
    import_file(tmp_path / "net.pt", tmp_path / "whole", Net())
    again = load(tmp_path / "whole", Net()).model
    ids = torch.arange(5)
    assert torch.equal(again(ids), net(ids))


def test_a_built_in_model_takes_tensors_under_other_names(tmp_path: Path):
    model = MF(6, 8, 4)
    names = {"user.weight": "users/embedding:0", "item.weight": "items/embedding:0", "bias": "items/bias:0"}
    arrays = {names.get(name, name): t.detach().numpy() for name, t in model.state_dict().items()}
    np.savez_compressed(tmp_path / "mf.npz", **arrays)
    rename = {there: here for here, there in names.items()}
    import_file(tmp_path / "mf.npz", tmp_path / "a", MF(6, 8, 4), rename=rename)
    assert torch.equal(load(tmp_path / "a").model(torch.arange(6)), model.eval()(torch.arange(6)))
    with pytest.raises(ArtifactError, match="missing are"):
        import_file(tmp_path / "mf.npz", tmp_path / "b", MF(6, 8, 4))
    with pytest.raises(ArtifactError, match=r"is \(8,.*\) there and \(9,.*\) in the model"):
        import_file(tmp_path / "mf.npz", tmp_path / "b", MF(6, 9, 4), rename=rename)


def test_keras_weights_come_in_by_their_paths(tmp_path: Path):
    h5py = pytest.importorskip("h5py")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["layers/embedding/vars/0"] = np.arange(6, dtype=np.float32).reshape(2, 3)
        file["layers/embedding/name"] = "text"
    with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", "{}")
        file.writestr("model.weights.h5", buffer.getvalue())
    (tmp_path / "m.h5").write_bytes(buffer.getvalue())
    for name in ("m.keras", "m.h5"):
        found = read_foreign(tmp_path / name)
        assert found.keys() == {"layers.embedding.vars.0"}
        assert found["layers.embedding.vars.0"].tolist() == [[0, 1, 2], [3, 4, 5]]
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["x"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(ArtifactError, match="link to somewhere else"):
        read_foreign(tmp_path / "link.h5")


def test_numbers_that_hdf5_has_no_type_for_come_in_or_are_refused(tmp_path: Path):
    h5py = pytest.importorskip("h5py")
    numbers = torch.tensor([[1.5, -2.25], [3e30, 0.0]], dtype=torch.bfloat16)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        made = file.create_dataset("a", data=numbers.view(torch.int16).numpy().view("V2"))
        made.attrs["dtype"] = "bfloat16"
        file["seed"] = np.array([0, 2**32 - 1], dtype=np.uint32)
    found = read_foreign(tmp_path / "m.h5")
    assert torch.equal(found["a"], numbers.float())
    assert found["seed"].tolist() == [0, 2**32 - 1]
    with h5py.File(tmp_path / "m.h5", "a") as file:
        del file["a"].attrs["dtype"]
    with pytest.raises(ArtifactError, match=r"'a' holds \|V2, and only plain numbers are read"):
        read_foreign(tmp_path / "m.h5")


def test_no_module_of_the_current_folder_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    np.savez(tmp_path / "w.npz", x=np.ones(3, dtype=np.float32))
    for name in ("safetensors", "numpy", "json", "torch"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'RAN')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    for further in ("", os.pathsep):  # an empty entry of it is the current folder too
        monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", "") + further)
        assert read_foreign(Path("w.npz"))["x"].tolist() == [1, 1, 1]
    assert not (tmp_path / "RAN").exists()


def test_tensors_in_lists_come_in_by_their_places(tmp_path: Path):
    held = {"layers": [torch.zeros(2), (torch.ones(3), 5)], "bias": torch.ones(1)}
    torch_save(held, tmp_path / "m.pt")
    said = converted(tmp_path / "m.pt", tmp_path / "out", 1 << 20)
    assert said["names"] == ["layers.0", "layers.1.0", "bias"]
    assert [tuple(load_file(tmp_path / "out")[str(n)].shape) for n in range(3)] == [(2,), (3,), (1,)]


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"a.b": torch.ones(2), "a": {"b": torch.zeros(3)}}, r"two tensors are called 'a\.b'"),
        ({0: torch.ones(2), "0": torch.ones(3)}, "two tensors are called '0'"),
        ({"g.values": torch.ones(2), "g": torch.eye(3).to_sparse()}, r"two tensors are called 'g\.values'"),
        ([[[[[[[[[torch.ones(2)]]]]]]]]], "stands too deep"),
    ],
)
def test_no_tensor_is_lost_on_the_way(held: object, said: str, tmp_path: Path):
    torch_save(held, tmp_path / "m.pt")
    with pytest.raises(Refused, match=said):
        converted(tmp_path / "m.pt", tmp_path / "out", 1 << 20)


def test_datasets_whose_paths_meet_are_refused(tmp_path: Path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["a/b"], file["a.b"] = np.ones(2), np.ones(3)
    with pytest.raises(Refused, match=r"two tensors are called 'a\.b'"):
        converted(tmp_path / "m.h5", tmp_path / "out", 1 << 20)


def test_a_single_number_keeps_its_shape(tmp_path: Path):
    model = LR(["a"], [4])
    np.savez(tmp_path / "lr.npz", **{name: t.numpy() for name, t in model.state_dict().items()})
    said = import_file(tmp_path / "lr.npz", tmp_path / "a", LR(["a"], [4]))
    assert said.tensors["bias"] == ("float32", ())
    ids = torch.arange(4)
    assert torch.equal(load(tmp_path / "a").model(ids), model.eval()(ids))


class Counted(nn.Module):
    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("x", torch.zeros(3, dtype=dtype))


@pytest.mark.parametrize(
    ("there", "dtype"),
    [
        (torch.tensor([1.5, 2.7, 3e20]), torch.int64),
        (torch.tensor([1.0, 2.0, 3.0]), torch.int64),
        (torch.tensor([1e300, 0, 0], dtype=torch.float64), torch.float32),
        (torch.tensor([2**40 + 1, 0, 0]), torch.float32),
        (torch.tensor([2**40, 0, 0]), torch.int32),
        (torch.tensor([200, 0, 0], dtype=torch.uint8), torch.int8),
        (torch.tensor([2, 0, 0]), torch.bool),
    ],
)
def test_numbers_that_would_become_others_are_refused(
    there: torch.Tensor, dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("recprune.importing.run.read_foreign", lambda path, cap: {"x": there})
    with pytest.raises(ArtifactError, match=f"x holds {there.dtype} there, which {dtype} in the model cannot hold"):
        import_file(tmp_path / "m.pt", tmp_path / "a", Counted(dtype))
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("there", "dtype"),
    [
        (torch.tensor([0.1, 1e-300, 3.0], dtype=torch.float64), torch.float32),
        (torch.tensor([1, -2, 2**30]), torch.float32),
        (torch.tensor([1, 0, 2], dtype=torch.uint8), torch.int64),
    ],
)
def test_what_is_told_is_what_is_stored(
    there: torch.Tensor, dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("recprune.importing.run.read_foreign", lambda path, cap: {"x": there})
    said = import_file(tmp_path / "m.pt", tmp_path / "a", Counted(dtype)).tensors
    assert said == {"x": (str(dtype).removeprefix("torch."), (3,))}
    assert torch.equal(load(tmp_path / "a", Counted(dtype)).model.x, there.to(dtype))


class Evil:
    def __reduce__(self) -> object:
        return os.system, ("touch /tmp/never",)


def repacked(path: Path, change: Callable[[str, bytes], bytes] = lambda name, data: data, how: int = 0) -> None:
    with zipfile.ZipFile(path) as file:
        held = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w", how) as file:
        for name, data in held.items():
            file.writestr(name, change(name, data))


def forbidden(path: Path) -> None:
    torch_save({"w": torch.ones(2), "x": Evil()}, path)


def whole_model(path: Path) -> None:
    torch_save(nn.Linear(2, 2), path)


def deflated(path: Path) -> None:
    torch_save({"w": torch.zeros(10**6)}, path)
    repacked(path, how=zipfile.ZIP_DEFLATED)


def expanded(path: Path) -> None:
    torch_save({"w": torch.zeros(1).expand(10**9)}, path)


def broken_sparse(path: Path) -> None:
    torch_save({"g": torch.eye(3).to_sparse_csr()}, path)
    far = struct.pack("<qqq", 0, 1, 10**6)
    repacked(path, lambda name, data: data[: len(far)] + far if name.endswith("data/1") else data)


def legacy(path: Path) -> None:
    torch_save({"w": torch.ones(2)}, path, _use_new_zipfile_serialization=False)


def cut_short(path: Path) -> None:
    torch_save({"w": torch.ones(200)}, path)
    path.write_bytes(path.read_bytes()[:-40])


def objects(path: Path) -> None:
    np.savez(path.with_suffix(".npz"), x=np.array([{}], dtype=object))
    path.with_suffix(".npz").rename(path)


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        header = b"\x93NUMPY\x01\x00" + struct.pack("<H", 70)
        text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (50000000,), }"
        file.writestr("x.npy", header + text.ljust(69) + b"\n" + bytes(200_000_000))


def lying_shape(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 1048576), }"
        file.writestr("x.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", 90) + text.ljust(89) + b"\n" + bytes(8))


def twice(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file, warnings.catch_warnings(action="ignore"):
        file.writestr("x.npy", b"")
        file.writestr("x.npy", b"")


def other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "hello")


def text(path: Path) -> None:
    path.write_text("hello, world")


HOSTILE = {
    forbidden: r"asks for .*system.*could run code",
    whole_model: r"asks for .*torch\.nn\.modules\.linear\.Linear",
    deflated: "is packed, as PyTorch never writes one",
    expanded: "its tensors, written out, would take 4,000,000,000 bytes",
    broken_sparse: "weights_only|invariants",
    legacy: "PyTorch before 1.6",
    cut_short: "no whole zip file",
    objects: "only plain numbers",
    bomb: "would take 200,000,[0-9]+ bytes, and 67,108,864 are allowed",
    lying_shape: "by its header, would take",
    twice: "a name stands twice",
    other_zip: "neither a PyTorch checkpoint",
    text: "no checkpoint that is known",
}


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_a_hostile_file_is_refused_in_words_and_nothing_of_it_is_run(make: Callable[[Path], None], tmp_path: Path):
    make(tmp_path / "file")
    cap = max(100 * (tmp_path / "file").stat().st_size, 64 << 20)
    with pytest.raises(Refused, match=HOSTILE[make]):
        converted(tmp_path / "file", tmp_path / "out", cap)
    assert not (tmp_path / "out").exists()
    assert not Path("/tmp/never").exists()


@pytest.mark.parametrize("make", [forbidden, text], ids=lambda make: make.__name__)
def test_what_the_child_refuses_the_parent_says(make: Callable[[Path], None], tmp_path: Path):
    make(tmp_path / "file")
    with pytest.raises(ArtifactError, match=f"file is not imported: .*({HOSTILE[make]})"):
        import_file(tmp_path / "file", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("end", ["kill", "memory", "time"])
def test_a_reader_that_ends_badly_is_told_of(end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Another program in the child's place: it crashes, wants too much memory, or never ends."""
    code = {"kill": "import os; os.kill(os.getpid(), 11)", "memory": "x = bytes(1 << 60)", "time": "raise SystemExit"}
    (tmp_path / "recprune_child.py").write_text(code[end])
    monkeypatch.setattr("recprune.importing.run.CHILD", "recprune_child")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    text(tmp_path / "file")
    said = {"kill": "SIGSEGV", "memory": "more memory than is allowed", "time": "said nothing that is known"}
    with pytest.raises(ArtifactError, match=said[end]):
        read_foreign(tmp_path / "file")


def test_the_loader_names_the_import_command(tmp_path: Path):
    text(tmp_path / "m.pt")
    with pytest.raises(ArtifactError, match=r"recprune import .*m\.pt -o FOLDER"):
        load(tmp_path / "m.pt")


def test_a_file_that_is_not_there_or_no_file_is_told_apart(tmp_path: Path):
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_foreign(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match="is no file"):
        read_foreign(tmp_path)
