"""Feeders bring rows to the kernel: DuckDB for a whole book, plain records for one customer, Spark for what outgrows one machine."""
