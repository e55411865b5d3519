"""The studio: a local page on which a person sets a budget, looks at the plan, measures it and applies it."""
