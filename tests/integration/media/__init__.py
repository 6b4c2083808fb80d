"""What the upper layer does with real peers."""
