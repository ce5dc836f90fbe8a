"""When it runs: parameters, sources, DVC stages, registry, reports, publishing and the command line."""
