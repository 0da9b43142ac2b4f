"""A user's package of modules, good and hostile."""
