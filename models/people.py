"""Names of people as they are compared: four eyes are two persons, however one of them is spelt."""


def person(name):
    """A person's name as it is compared: two spellings of one name are one person."""
    return " ".join(name.split()).casefold()
