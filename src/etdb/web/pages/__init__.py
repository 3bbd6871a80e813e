"""The pages that people see."""

from etdb.web.pages.routes import error_page, page_routes
from etdb.web.pages.trying import try_routes

__all__ = ["error_page", "page_routes", "try_routes"]
