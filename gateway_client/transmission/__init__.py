"""Transmission: the export queue's entries, sent to their destinations over lanes that do not hold each other up."""
