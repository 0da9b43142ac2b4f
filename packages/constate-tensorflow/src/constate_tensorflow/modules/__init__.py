"""The catalogue's modules as one writes them in TensorFlow; each file stands on its own and may be copied out."""
