"""The catalogue's modules as one writes them in Keras; each file stands on its own and may be copied out."""
