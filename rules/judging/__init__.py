"""Judging an image by rules, pure: facts, two semantics, what a rule file decides."""
