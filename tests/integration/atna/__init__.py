"""Audit messages from the logs of a database, told to a real syslog server."""
