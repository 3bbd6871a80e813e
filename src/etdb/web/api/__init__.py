"""The REST API, version 1: documents, problems, the description of itself."""

from etdb.web.api.routes import api_routes

__all__ = ["api_routes"]
