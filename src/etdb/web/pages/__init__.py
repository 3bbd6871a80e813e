"""The pages: server-rendered, usable without JavaScript apart from the viewer."""

from etdb.web.pages.routes import error_page, page_routes

__all__ = ["error_page", "page_routes"]
