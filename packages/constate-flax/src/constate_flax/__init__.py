"""constate for Flax: ``constate_flax.linen`` and ``constate_flax.nnx``, verbs for any module that do what Flax's own
get wrong."""
