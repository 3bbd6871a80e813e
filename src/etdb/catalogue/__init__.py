"""The catalogue: messages of the ledger, the records folded from them, search, and what was observed apart."""

from etdb.catalogue.expression import (
    ANYWHERE,
    TEXT_FIELDS,
    All,
    AnyOf,
    Expression,
    Not,
    Test,
    check_expression,
    operators_of,
)
from etdb.catalogue.fields import FACETS, FIELDS, RANGES, SORTS, Field, Sort
from etdb.catalogue.history import joined_text
from etdb.catalogue.query import MAX_PAGE, Query, Range, parse_query, query_pairs
from etdb.catalogue.revising import ActionRow
from etdb.catalogue.snapshot import begin_with
from etdb.catalogue.store import Catalogue
from etdb.catalogue.text import display
from etdb.catalogue.values import (
    AsideMessage,
    CurrentRecord,
    DatasetView,
    Duplicate,
    FacetValue,
    Listing,
    Observation,
    OrphanedParts,
    OtherRecord,
    Page,
    Revision,
    StoredManifest,
    StoredMessage,
    Tip,
    Withdrawal,
)
from etdb.catalogue.writing import CONFLICTING_PART, Batch, PartRow

__all__ = [
    "ANYWHERE",
    "CONFLICTING_PART",
    "FACETS",
    "FIELDS",
    "MAX_PAGE",
    "RANGES",
    "SORTS",
    "TEXT_FIELDS",
    "ActionRow",
    "All",
    "AnyOf",
    "AsideMessage",
    "Batch",
    "Catalogue",
    "CurrentRecord",
    "DatasetView",
    "Duplicate",
    "Expression",
    "FacetValue",
    "Field",
    "Listing",
    "Not",
    "Observation",
    "OrphanedParts",
    "OtherRecord",
    "Page",
    "PartRow",
    "Query",
    "Range",
    "Revision",
    "Sort",
    "StoredManifest",
    "StoredMessage",
    "Test",
    "Tip",
    "Withdrawal",
    "begin_with",
    "check_expression",
    "display",
    "joined_text",
    "operators_of",
    "parse_query",
    "query_pairs",
]
