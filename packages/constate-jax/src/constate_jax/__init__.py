"""constate for JAX: arrays bit for bit, and the audit of modules that are pytrees."""
