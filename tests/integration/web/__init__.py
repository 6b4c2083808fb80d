"""The web: the JSON API, the live feed, health and metrics."""
