"""What the servers of OIP's first years answered, for clients that are still there: the daemon's, and Alexandria's."""

from etdb.web.oldapi.alexandria import alexandria_routes
from etdb.web.oldapi.daemon import daemon_routes

__all__ = ["alexandria_routes", "daemon_routes"]
