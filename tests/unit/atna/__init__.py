"""Audit messages and syslog, without I/O."""
