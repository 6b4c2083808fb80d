# The public names; see runtime/late_names.py.

from runtime.alert_settings import AlertKind, AlertSettings, MailSettings, WebhookSettings
from runtime.archive_settings import ArchiveSettings, EntitySettings
from runtime.atna_settings import AtnaSettings
from runtime.clock import Clock, FixedClock, SystemClock
from runtime.coercion_settings import PRIVATE_ELEMENT, CoerceSettings, DeidentificationSettings
from runtime.dictionary_settings import (
    AdmissionSettings,
    ListenerSettings,
    ModalitySettings,
    UserApplicationSettings,
    WorklistSettings,
)
from runtime.durable import make_directories, sync_directory, write_file, write_files
from runtime.errors import (
    BadCertificate,
    DataDirectoryInUse,
    DataDirectoryUnusable,
    NotReady,
    PortInUse,
    PortRefused,
    RuntimeProblem,
    SettingsError,
    port_problem,
)
from runtime.helper_process import HelperProcess
from runtime.inflation import inflate
from runtime.kept_helper import (
    HelperLost,
    HelperProblem,
    HelperStopped,
    KeptHelper,
    answer_requests,
)
from runtime.logs import set_up_logs
from runtime.naming import other_names
from runtime.processes import (
    RESTORE_FILE,
    RUN_FILE,
    SOCKET,
    DataDirectory,
    check_port,
    format_address,
    free_port,
    read_run_file,
    wait_until_ready,
    write_json,
)
from runtime.quiet_times import QuietTime, quiet_until
from runtime.reactor_thread import ReactorThread
from runtime.readable import wait_readable
from runtime.settings import DestinationSettings, GatewaySettings, PriorSettings, Settings, load_settings
from runtime.tls import TLSFactory
from runtime.tls_server import TLSFiles, server_context, tls_files

__all__ = [
    "PRIVATE_ELEMENT",
    "RESTORE_FILE",
    "RUN_FILE",
    "SOCKET",
    "AdmissionSettings",
    "AlertKind",
    "AlertSettings",
    "ArchiveSettings",
    "AtnaSettings",
    "BadCertificate",
    "Clock",
    "CoerceSettings",
    "DataDirectory",
    "DataDirectoryInUse",
    "DataDirectoryUnusable",
    "DeidentificationSettings",
    "DestinationSettings",
    "EntitySettings",
    "FixedClock",
    "GatewaySettings",
    "HelperLost",
    "HelperProblem",
    "HelperProcess",
    "HelperStopped",
    "KeptHelper",
    "ListenerSettings",
    "MailSettings",
    "ModalitySettings",
    "NotReady",
    "PortInUse",
    "PortRefused",
    "PriorSettings",
    "QuietTime",
    "ReactorThread",
    "RuntimeProblem",
    "Settings",
    "SettingsError",
    "SystemClock",
    "TLSFactory",
    "TLSFiles",
    "UserApplicationSettings",
    "WebhookSettings",
    "WorklistSettings",
    "answer_requests",
    "check_port",
    "format_address",
    "free_port",
    "inflate",
    "load_settings",
    "make_directories",
    "other_names",
    "port_problem",
    "quiet_until",
    "read_run_file",
    "server_context",
    "set_up_logs",
    "sync_directory",
    "tls_files",
    "wait_readable",
    "wait_until_ready",
    "write_file",
    "write_files",
    "write_json",
]
