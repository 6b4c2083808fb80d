"""Receiving: associations, the application that is asked, and the spool, durable before a C-STORE is answered."""
