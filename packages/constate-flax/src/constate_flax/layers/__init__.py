"""Where the layers of Flax keep their arrays: the same names and axes in Linen and NNX."""
