"""SANSA (Spišák et al. 2023, "Scalable Approximate NonSymmetric Autoencoder") in an environment of its own:
`python benchmarks/peers_sansa.py HISTORIES.npz OUT.npz L2 DENSITY`, with `pip install sansa numba "scikit-sparse<0.5"`.

HISTORIES: users x items, a scipy matrix. OUT: both factors, whose product is the item-item matrix: scores are
history @ first @ second. DENSITY: entries of one factor, as a share of items².
"""

from __future__ import annotations

import sys

import numpy as np
import scipy.sparse as sp


def main(histories: str, out: str, l2: str, density: str) -> None:
    """Factorise with CHOLMOD and keep the factors."""
    import sansa

    config = sansa.SANSAConfig(
        l2=float(l2),
        weight_matrix_density=float(density),
        gramian_factorizer_config=sansa.CHOLMODGramianFactorizerConfig(),
        lower_triangle_inverter_config=sansa.UMRUnitLowerTriangleInverterConfig(),
    )
    model = sansa.SANSA(config).fit(sp.load_npz(histories).tocsr())
    parts = {}
    for name, matrix in zip(("first", "second"), model.weights, strict=True):
        matrix = matrix.tocsr()
        for part in ("data", "indices", "indptr"):
            parts[f"{name}_{part}"] = getattr(matrix, part)
    np.savez(out, **parts)


if __name__ == "__main__":
    main(*sys.argv[1:])
