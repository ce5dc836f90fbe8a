"""What was known about a customer on a date: one catalogue of declarations, one numpy kernel, and the feeders around it."""
