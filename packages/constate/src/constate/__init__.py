"""constate: one contract for the state of a neural-network module that is carried but not trained."""
