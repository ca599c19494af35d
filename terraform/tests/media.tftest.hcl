# The bucket is private, and keeps what it must and no longer.

mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google-beta" {
  source = "./tests/mocks"
}

run "media" {
  command = plan

  assert {
    condition     = google_storage_bucket.media.public_access_prevention == "enforced"
    error_message = "The bucket could be made public."
  }
  assert {
    condition     = google_storage_bucket.media.uniform_bucket_level_access == true
    error_message = "Objects could have grants of their own."
  }
  assert {
    condition = (
      google_storage_bucket.media.force_destroy == false
      && google_storage_bucket.media.deletion_policy == "PREVENT"
      && google_firebase_storage_default_bucket.media.deletion_policy == "PREVENT"
    )
    error_message = "The media could be deleted with the bucket."
  }
  assert {
    condition     = google_storage_bucket.media.name == "${var.project_id}.firebasestorage.app"
    error_message = "The functions' storage triggers wait for the Firebase project's default bucket."
  }
  assert {
    condition     = lower(google_storage_bucket.media.location) == var.region && google_firebase_storage_default_bucket.media.location == var.region
    error_message = "The bucket stands elsewhere."
  }
  assert {
    condition     = google_storage_bucket.media.soft_delete_policy[0].retention_duration_seconds == 604800
    error_message = "Removed media is kept for the seven days that the database can be set back by."
  }
  assert {
    condition     = [for rule in google_storage_bucket.media.lifecycle_rule : one(rule.action).type] == ["AbortIncompleteMultipartUpload"]
    error_message = "An object that a document names would be deleted or moved by its age, or parts of uploads pile up."
  }
}

run "other_sites" {
  command = plan

  variables {
    web_origins = ["https://app.example.org"]
  }

  assert {
    condition = google_storage_bucket.media.cors[0].origin == tolist([
      "https://${var.project_id}.web.app", "https://${var.project_id}.firebaseapp.com", "https://app.example.org",
    ])
    error_message = "Other pages than ours could play media, or ours could not."
  }
  assert {
    condition     = google_storage_bucket.media.cors[0].method == tolist(["GET", "HEAD"])
    error_message = "Pages only read."
  }
}
