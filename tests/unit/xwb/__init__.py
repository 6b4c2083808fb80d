"""What the wire package promises."""
