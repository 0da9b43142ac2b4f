"""The models in Keras."""
