"""How names and texts are written in SQL."""


def quoted(name):
    """A column's name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text):
    """A text, or a path, as SQL takes it."""
    return "'" + str(text).replace("'", "''") + "'"
