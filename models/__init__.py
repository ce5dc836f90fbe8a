"""What a customer's record means and what follows from it: pure functions over frames and arrays; only the bundle touches files."""
