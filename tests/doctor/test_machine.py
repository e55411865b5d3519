import torch

from recprune.doctor.machine import allowed, features, machine, threads


def test_the_quota_of_a_container_counts_and_no_quota_does_not(tmp_path):
    quota = tmp_path / "cpu.max"
    whole = allowed(tmp_path / "nothing")
    quota.write_text("50000 100000\n")
    assert allowed(quota) == 0.5
    quota.write_text("max 100000\n")
    assert allowed(quota) == whole


def test_features_are_those_that_matter_in_their_order():
    assert features("fpu avx2 vme avx fma avx512f hypervisor") == ["avx", "avx2", "fma", "avx512f"]
    assert features("") == []


def test_the_machine_has_cores_a_python_and_a_system():
    found = machine()
    assert found["cores"] >= 1
    assert found["python"].startswith("3.")
    assert found["system"]


def test_threads_are_those_that_torch_says(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = threads()
    assert found["torch"] == torch.get_num_threads()
    assert found["variables"]["OMP_NUM_THREADS"] == "1"
    assert any(pool["pool"] in ("openmp", "openblas", "mkl") for pool in found["pools"])
