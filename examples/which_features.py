# %% [markdown]
# # Which fields can I drop?
#
# A log of clicks has fields that decide and fields that mean nothing. This notebook draws a log of which that is known,
# and lets `select_fields` find out without being told how many there are.

# %%
import recprune
from recprune.recipe.select_fields import select_fields

drawn = recprune.simulate(300, 150, 12_000, 4, seed=1, feedback="label", noise=(2, 30, 3000))
split = recprune.split_random(recprune.encode(drawn.log), valid=0.25, test=0.05)
for part in ("matters", "redundant", "constant", "unique", "noise"):
    print(f"{part}: {', '.join(drawn.truth.playing(part))}")

# %% [markdown]
# The selector needs a function that trains a model on the fields that are left; it calls it once a round.


# %%
def build_and_fit(part, seed):
    model = recprune.build("deepfm", part, seed=seed, dim=8, hidden=(32,), dropout=0.2)
    options = recprune.FitOptions(epochs=6, batch=512, lr=3e-3, decay=0.5, schedule="linear", patience=1, seed=seed)
    recprune.fit(model, part, options)
    return model


found = select_fields(build_and_fit, split, keep=("user", "item"))
print("stays:", ", ".join(sorted(found.kept)))
for name, why in found.left.items():
    print(f"{name} leaves: {why}")

# %% [markdown]
# Was it right? Every field that decides stayed, or a copy of it did; nothing else did.

# %%
copies = drawn.truth.copy_of
real = {copies.get(name, name) for name in found.kept} - {"user", "item"}
print(real == set(drawn.truth.playing("matters")))

# %% [markdown]
# And what it is worth: one model with all fields and one without those that left, on rows that nobody has seen.

# %%
before, after = build_and_fit(split, 0), build_and_fit(found.split, 0)
for name, model, data in (("all fields", before, split), ("without them", after, found.split)):
    auc = recprune.evaluate(model, data).mean["auc"]
    print(f"{name}: {sum(p.numel() for p in model.parameters()):,} parameters, AUC {auc:.3f}")
