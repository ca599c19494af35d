"""Feedback and health."""

from local.examples.example import Example

EXAMPLES = {
    "create_feedback": Example(
        request={"message": "The captions read well."},
        answer={"success": True, "message": "Thank you for your feedback.", "feedbackId": "feedback_123"},
    ),
    "get_health": Example(
        answer={
            "status": "healthy",
            "checks": {
                "database": {"status": "healthy", "latencyMs": 12},
                "storage": {"status": "healthy", "latencyMs": 25},
                "queue": {"status": "healthy", "latencyMs": 18},
                "gpuRunner": {"status": "idle", "lastReportedAt": "2024-01-01T00:08:00Z", "troubles": []},
            },
        }
    ),
}
