# What protects the data, and whose indexes there are.

mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google-beta" {
  source = "./tests/mocks"
}

run "database" {
  command = plan

  assert {
    condition     = google_firestore_database.database.name == "(default)" && google_firestore_database.database.type == "FIRESTORE_NATIVE"
    error_message = "The code uses the default database, in native mode."
  }
  assert {
    condition     = google_firestore_database.database.delete_protection_state == "DELETE_PROTECTION_ENABLED"
    error_message = "The database can be deleted by a slip."
  }
  assert {
    condition     = google_firestore_database.database.point_in_time_recovery_enablement == "POINT_IN_TIME_RECOVERY_ENABLED"
    error_message = "The database cannot be read as it was an hour ago."
  }
  assert {
    condition     = google_firestore_database.database.location_id == var.region
    error_message = "The database stands elsewhere."
  }
}

run "backups" {
  command = plan

  assert {
    condition     = length(google_firestore_backup_schedule.daily.daily_recurrence) == 1 && google_firestore_backup_schedule.daily.retention == "604800s"
    error_message = "There is no daily backup that is kept for a week."
  }
  assert {
    condition     = google_firestore_backup_schedule.weekly.weekly_recurrence[0].day == "SUNDAY" && google_firestore_backup_schedule.weekly.retention == "8467200s"
    error_message = "There is no weekly backup that is kept for 14 weeks."
  }
}

run "indexes" {
  command = plan

  assert {
    condition     = length(google_firestore_index.indexes) == length(jsondecode(file("../firestore.indexes.json")).indexes)
    error_message = "An index of firestore.indexes.json is missing, or two have one key."
  }
  assert {
    condition = [for field in google_firestore_index.indexes["scripts COLLECTION ownerId:ASCENDING createdAt:DESCENDING"].fields : "${field.field_path} ${field.order}"] == [
      "ownerId ASCENDING", "createdAt DESCENDING",
    ]
    error_message = "An index has other fields than in the file."
  }
  assert {
    condition     = google_firestore_index.indexes["scripts COLLECTION ownerId:ASCENDING mediaObjects:CONTAINS"].fields[1].array_config == "CONTAINS"
    error_message = "The index of what scripts name finds no member of a list."
  }
  assert {
    condition     = length(google_firestore_field.overrides) == length(jsondecode(file("../firestore.indexes.json")).fieldOverrides)
    error_message = "A field override is missing."
  }
}

run "documents_that_expire" {
  command = plan

  assert {
    condition     = toset([for key, field in google_firestore_field.overrides : key if length(field.ttl_config) == 1]) == toset(["deadLetters.expireAt", "idempotency.expireAt", "rateLimits.expireAt"])
    error_message = "Firestore removes other documents than those whose time has come."
  }
  assert {
    condition     = alltrue([for field in google_firestore_field.overrides : length(field.index_config) == 1 && length(field.index_config[0].indexes) == 0])
    error_message = "A field that is exempt from indexes has one."
  }
}
