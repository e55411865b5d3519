"""From a raw log to a smaller recommender with its proof, in a minute: `python examples/quickstart.py`."""

import recprune

# A year of who bought what, drawn by a simulator. With a file of yours: recprune.read("ratings.csv").
log = recprune.simulate(n_users=400, n_items=200, n_rows=12_000, rank=4, seed=0).log
split = recprune.split_by_user_time(recprune.encode(recprune.clean(log)), test=0.2, valid=0.1)

# A recommender by collaborative filtering: one weight for each pair of items, solved in closed form.
big = recprune.build("ease", split)
recprune.fit(big, split)

# Nine of ten weights leave; those that stay are solved again.
small = recprune.prune(big, split, factor=0.9)
account = small.plan.account()
print(f"features P: {account.features_before:,} -> {account.features_after:,}")
print(f"network Q:  {account.network_before:,} -> {account.network_after:,}")
print(f"share of the parameters that left: {account.share_removed:.3f}")

# Both are judged on the same test items of the same users.
proof = recprune.compare(big, small.model, split, renumber={"after": small.renumber}, k=10)
for name in ("precision@10", "recall@10", "f1@10", "ndcg@10"):
    print(f"{name}: {proof.before.metrics[name]:.4f} -> {proof.after.metrics[name]:.4f}")
print(proof.verdict())

# The result is a folder without any pickle.
recprune.save("small", small.model, plan=small.plan, vocabularies=small.vocabularies)
print("the same plan is read back:", recprune.load("small").plan == small.plan)
