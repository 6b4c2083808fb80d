"""Acquisition: from the spool to VistA's network locations and rules, each step journaled before the next."""
