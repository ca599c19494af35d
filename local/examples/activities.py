"""The activity log."""

from local.examples.example import VIDEO_PATH, Example

ACTIVITY = {
    "id": "job_456_video_generation_completed",
    "type": "video_generation_completed",
    "message": "Video generation completed successfully for script 'Climate Change Discussion'",
    "timestamp": "2024-01-01T00:08:00Z",
    "scriptId": "script_123",
    "characterId": None,
    "videoPath": VIDEO_PATH,
}
_STATS = {
    "scriptActivities": 5,
    "characterActivities": 3,
    "videoActivities": 2,
    "totalActivities": 10,
    "lastActivityAt": "2024-01-01T00:08:00Z",
}

EXAMPLES = {
    "list_my_activities": Example(answer={"activities": [ACTIVITY], "totalCount": 1, "limit": 50}),
    "get_my_activity_stats": Example(answer=_STATS),
    "list_my_activities_combined": Example(answer={"activities": [ACTIVITY], "stats": _STATS}),
    "clear_my_activities": Example(answer={"message": "All activities cleared successfully", "success": True}),
}
