"""A backend whose processes come to every kind of end, chosen by the name of the module."""
