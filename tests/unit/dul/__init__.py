"""What the upper layer promises."""
