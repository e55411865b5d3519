"""From a raw log to encoded, split data and a features matrix. Knows no modules."""
