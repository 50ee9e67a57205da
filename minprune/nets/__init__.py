"""Layers, nets, models, the zoo, and what they count."""
