"""Moving weights between twins in two frameworks."""
