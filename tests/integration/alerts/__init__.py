"""Alerts on databases, over real channels, by real destinations that stall."""
