"""One module per revision, each following the one it names in down_revision."""
