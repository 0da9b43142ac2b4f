"""The checkpoints of Keras: ``.weights.h5`` and ``.keras``, read by h5py without Keras."""
