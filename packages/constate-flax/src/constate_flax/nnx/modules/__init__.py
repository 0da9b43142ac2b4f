"""The catalogue's modules as one writes them in Flax NNX; each file stands on its own and may be copied out."""
