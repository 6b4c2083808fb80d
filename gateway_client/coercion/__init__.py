"""What a transmit destination gets another way than it is stored: attributes coerced, identities removed (PS3.15 annex E)."""
