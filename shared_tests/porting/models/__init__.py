"""Models, each written in every framework in that framework's ordinary style. Twins compute the same function."""
