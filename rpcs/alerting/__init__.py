"""Alerting: what needs a person, found by looks into indexes and counters, and when that is raised and cleared."""
