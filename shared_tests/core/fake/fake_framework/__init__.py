"""The least that one could call a framework, so that the auditor is tried where no framework is."""
