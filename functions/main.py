"""The deployment's table of contents: every function that the Firebase CLI finds and deploys."""

from accounts.endpoints import get_me, login, refresh_token, signup
from accounts.triggers import on_user_created
from activities.endpoints import clear_my_activities, get_my_activity_stats, list_my_activities
from characters.endpoints import (
    create_character,
    delete_character,
    get_character,
    list_characters,
    list_my_characters,
    star_character,
    unstar_character,
    update_character,
)
from characters.triggers import on_character_created
from gcp.not_found import not_found
from media.endpoints import get_picture, get_recording, get_video
from scripts.endpoints import delete_script, generate_script, get_script, list_my_scripts, update_script
from scripts.triggers import on_script_created
from videos.endpoints import generate_video, get_video_job, get_video_status
from videos.triggers import on_video_job_written, repair_video_jobs

__all__ = [
    "clear_my_activities",
    "create_character",
    "delete_character",
    "delete_script",
    "generate_script",
    "generate_video",
    "get_character",
    "get_me",
    "get_my_activity_stats",
    "get_picture",
    "get_recording",
    "get_script",
    "get_video",
    "get_video_job",
    "get_video_status",
    "list_characters",
    "list_my_activities",
    "list_my_characters",
    "list_my_scripts",
    "login",
    "not_found",
    "on_character_created",
    "on_script_created",
    "on_user_created",
    "on_video_job_written",
    "refresh_token",
    "repair_video_jobs",
    "signup",
    "star_character",
    "unstar_character",
    "update_character",
    "update_script",
]
