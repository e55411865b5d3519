from recprune.doctor import examine
from recprune.doctor.examine import advice

FINE = {
    "machine": {"cores that may be used": 2.0},
    "threads": {"torch": 2},
    "kernels": "avx2",
    "versions": {"torch": "2.13.0"},
}


def test_everything_that_decides_how_it_runs_is_told():
    facts = examine()
    assert facts["versions"]["torch"]
    assert facts["versions"]["scikit-learn"]
    assert set(facts["torch"]) == {"instructions", "MKL", "oneDNN", "CUDA"}
    assert facts["BLAS"]["numpy"]
    assert facts["kernels"] in ("numpy", "portable C", "avx2", "avx512")
    assert facts["extras"]["serve"]["gives"]


def test_where_all_is_well_there_is_no_advice():
    assert advice(FINE) == []


def test_more_threads_than_cores_are_told_with_the_number_to_set():
    assert "OMP_NUM_THREADS=2" in advice({**FINE, "threads": {"torch": 16}})[0]
    assert "OMP_NUM_THREADS=1" in advice({**FINE, "machine": {"cores that may be used": 0.5}})[0]


def test_kernels_that_are_not_compiled_are_told_with_the_way_to_them():
    assert "hatch_build.py" in advice({**FINE, "kernels": "numpy"})[0]


def test_a_package_that_is_not_there_is_told():
    assert "scipy cannot be found" in advice({**FINE, "versions": {"torch": "2.13.0", "scipy": None}})[0]
