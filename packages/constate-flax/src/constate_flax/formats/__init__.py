"""The checkpoints of Flax: files of ``flax.serialization`` and folders of Orbax."""
