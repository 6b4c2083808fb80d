"""Storage commitment (PS3.4 annex J), in both roles."""
