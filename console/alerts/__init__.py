"""Alerts as a service of the serving process: looking, writing down, telling people."""
