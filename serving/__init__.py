"""What a caller gets: the service, its wording, its scorer and the one operational database."""
