"""Fuzzing: a target for each parser, a corpus of real messages, and what changes them."""
