"""`risk serve`: the HTTP service over what was published."""


def serve(*, host, port, source, database):
    """Serve until stopped; only the serving extra is needed."""
    import uvicorn

    from serving.app import create_app
    from serving.settings import Settings

    uvicorn.run(create_app(Settings.from_environment(source=source, database=database)), host=host, port=port, log_level="info", access_log=False)
