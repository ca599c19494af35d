"""The deployment's table of contents: every function that the Firebase CLI finds and deploys."""

from accounts.account_endpoints import delete_me, get_my_data
from accounts.deletion_trigger import finish_deletions, on_account_deletion_created
from accounts.endpoints import get_me, login, refresh_token, signup
from accounts.triggers import on_user_written, watch_identities
from activities.endpoints import (
    clear_my_activities,
    get_my_activity_stats,
    list_my_activities,
    list_my_activities_combined,
)
from activities.triggers import on_activity_created
from backgrounds.endpoints import list_backgrounds
from backgrounds.triggers import on_background_deleted, on_background_finalized, on_background_written
from characters.endpoints import (
    create_character,
    delete_character,
    get_character,
    list_characters,
    list_characters_combined,
    list_my_characters,
    list_my_favorites,
    star_character,
    unstar_character,
    update_character,
)
from characters.triggers import on_character_written, on_stars_written
from config.triggers import on_config_written
from feedback.endpoints import create_feedback
from gcp.not_found import not_found
from health.endpoints import get_health
from media.endpoints import get_picture, get_recording, get_video
from media.triggers import on_media_deletion_created, sweep_media
from scripts.endpoints import (
    delete_script,
    generate_script,
    get_audio_status,
    get_script,
    list_my_scripts,
    update_script,
)
from scripts.triggers import on_script_written
from tokens.triggers import audit_ledgers, on_adjustment_created, on_ledger_entry_created
from videos.endpoints import (
    cancel_video_job,
    generate_video,
    get_script_video_job,
    get_video_job,
    get_video_status,
    list_my_video_jobs,
)
from videos.triggers import on_video_job_written, repair_video_jobs

__all__ = [
    "audit_ledgers",
    "cancel_video_job",
    "clear_my_activities",
    "create_character",
    "create_feedback",
    "delete_character",
    "delete_me",
    "delete_script",
    "finish_deletions",
    "generate_script",
    "generate_video",
    "get_audio_status",
    "get_character",
    "get_health",
    "get_me",
    "get_my_activity_stats",
    "get_my_data",
    "get_picture",
    "get_recording",
    "get_script",
    "get_script_video_job",
    "get_video",
    "get_video_job",
    "get_video_status",
    "list_backgrounds",
    "list_characters",
    "list_characters_combined",
    "list_my_activities",
    "list_my_activities_combined",
    "list_my_characters",
    "list_my_favorites",
    "list_my_scripts",
    "list_my_video_jobs",
    "login",
    "not_found",
    "on_account_deletion_created",
    "on_activity_created",
    "on_adjustment_created",
    "on_background_deleted",
    "on_background_finalized",
    "on_background_written",
    "on_character_written",
    "on_config_written",
    "on_ledger_entry_created",
    "on_media_deletion_created",
    "on_script_written",
    "on_stars_written",
    "on_user_written",
    "on_video_job_written",
    "refresh_token",
    "repair_video_jobs",
    "signup",
    "star_character",
    "sweep_media",
    "unstar_character",
    "update_character",
    "update_script",
    "watch_identities",
]
