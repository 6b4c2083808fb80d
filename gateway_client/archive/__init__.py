"""The archive as application entities show it: queries, retrievals and the worklist, answered by the broker's procedures."""
