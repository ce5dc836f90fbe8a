"""The shipped sources: the simulator and folders of SQL."""
