"""What a portal does not hold: fetched from providers, checked, kept for a while, or said to be nobody's now."""

from etdb.web.fetching.offers import Offer, Offers
from etdb.web.fetching.providers import Providers
from etdb.web.fetching.store import FetchingStore, NotOfferedError

__all__ = ["FetchingStore", "NotOfferedError", "Offer", "Offers", "Providers"]
