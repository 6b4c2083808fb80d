"""The large numbers: what `make soak` runs and `make test` does not."""
