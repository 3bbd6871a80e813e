"""The workspace: the folder, its settings, its locks and its keys."""

from etdb.workspace.folder import FLO_NETWORK_OF, WORKSPACE_VARIABLE, NoWorkspaceError, Workspace
from etdb.workspace.inventory import Holding, Worth
from etdb.workspace.keyring import KeyInfo, Keyring
from etdb.workspace.locks import lock_key
from etdb.workspace.settings import (
    CONFIG_NAME,
    NETWORK_NAMES,
    DescribeSettings,
    LimitSettings,
    NodeSettings,
    PortalSettings,
    PublisherSettings,
    Settings,
    parse_settings,
)
from etdb.workspace.source_settings import SourceSettings, StageSettings

__all__ = [
    "CONFIG_NAME",
    "FLO_NETWORK_OF",
    "NETWORK_NAMES",
    "WORKSPACE_VARIABLE",
    "DescribeSettings",
    "Holding",
    "KeyInfo",
    "Keyring",
    "LimitSettings",
    "NoWorkspaceError",
    "NodeSettings",
    "PortalSettings",
    "PublisherSettings",
    "Settings",
    "SourceSettings",
    "StageSettings",
    "Workspace",
    "Worth",
    "lock_key",
    "parse_settings",
]
