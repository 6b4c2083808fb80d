"""Alerts: when they are raised and told, decided without I/O."""
