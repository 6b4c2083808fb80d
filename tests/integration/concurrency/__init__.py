"""Many sessions at one broker at once, and what they must leave behind."""
