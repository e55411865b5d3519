import numpy as np

from recprune.data.dataset import Histories
from recprune.data.graph import normal_graph


def test_a_pair_is_weighed_by_the_counts_of_its_user_and_item_and_counts_once():
    """User 1 had items 2, 3 and 3 again, user 2 had 3 and the unknown item."""
    histories = Histories(np.array([0, 0, 3, 5]), np.array([2, 3, 3, 3, 0], dtype=np.int32), 5)
    graph, roots = normal_graph(histories)
    wanted = np.zeros((3, 5))
    wanted[1, 2], wanted[1, 3], wanted[2, 3] = 2**-0.5, 0.5, 2**-0.5
    np.testing.assert_allclose(graph.toarray(), wanted, atol=1e-6)
    np.testing.assert_allclose(roots, [1, 1, 1, 2**0.5, 1], atol=1e-6)
