"""The models in Flax Linen."""
