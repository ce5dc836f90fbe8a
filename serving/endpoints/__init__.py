"""The service's endpoints, a module for each kind; each has `add(app, service)`."""
