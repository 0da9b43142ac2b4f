"""A user's own module under the laws: what an audit looks for, and what it says."""
