"""What `make bench-*` runs: figures that are measured, never asserted."""
