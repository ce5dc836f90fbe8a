"""One check of the gate as it is written down."""


def check(name, passed, detail, values=None):
    """A check by its name: whether it passed, one English sentence that says on what, and the numbers of that sentence by name (empty where nothing was
    measured)."""
    return {"check": name, "passed": bool(passed), "detail": detail, "values": values or {}}
