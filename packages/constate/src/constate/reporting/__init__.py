"""Reports: one data model, and the ways to show it."""
