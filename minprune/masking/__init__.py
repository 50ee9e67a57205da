"""Masks: how many entries go (count), which ones (choose, patterns, units), their use (apply)."""
