"""A first draft of a source from somebody's files: what was looked at, understood and not understood, for a person to correct."""
