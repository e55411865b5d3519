"""recprune: any recommender and a budget in, a smaller and faster one out, with proof."""

__version__ = "0.1.0"
