# The database, what it can be restored from, and its indexes. The rules are deployed by the Firebase CLI.

locals {
  # The emulator reads the same file. The CLI is never asked to deploy firestore:indexes: they would have two owners.
  firestore = jsondecode(file("${path.module}/../firestore.indexes.json"))

  indexes = {
    for index in local.firestore.indexes : join(" ", concat(
      [index.collectionGroup, index.queryScope],
      [for field in index.fields : "${field.fieldPath}:${try(field.order, field.arrayConfig)}"],
    )) => index
  }
  field_overrides = { for field in local.firestore.fieldOverrides : "${field.collectionGroup}.${field.fieldPath}" => field }
}

resource "google_firestore_database" "database" {
  name        = "(default)"
  location_id = var.region
  type        = "FIRESTORE_NATIVE"
  # As it was at any minute of the last seven days.
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_ENABLED"
  delete_protection_state           = "DELETE_PROTECTION_ENABLED"
  deletion_policy                   = "ABANDON"

  depends_on = [google_firebase_project.project]
}

resource "google_firestore_backup_schedule" "daily" {
  database  = google_firestore_database.database.name
  retention = "604800s" # 7 days

  daily_recurrence {}
}

resource "google_firestore_backup_schedule" "weekly" {
  database  = google_firestore_database.database.name
  retention = "8467200s" # 14 weeks, the longest there is

  weekly_recurrence {
    day = "SUNDAY"
  }
}

resource "google_firestore_index" "indexes" {
  for_each = local.indexes

  database    = google_firestore_database.database.name
  collection  = each.value.collectionGroup
  query_scope = each.value.queryScope

  dynamic "fields" {
    for_each = each.value.fields
    content {
      field_path   = fields.value.fieldPath
      order        = try(fields.value.order, null)
      array_config = try(fields.value.arrayConfig, null)
    }
  }
}

# Fields that no query names, and whose index would be many times their size or slow every write down; and those whose
# documents Firestore removes when their time has come.
resource "google_firestore_field" "overrides" {
  for_each = local.field_overrides

  database   = google_firestore_database.database.name
  collection = each.value.collectionGroup
  field      = each.value.fieldPath

  index_config {
    dynamic "indexes" {
      for_each = each.value.indexes
      content {
        order        = try(indexes.value.order, null)
        array_config = try(indexes.value.arrayConfig, null)
        query_scope  = try(indexes.value.queryScope, null)
      }
    }
  }

  dynamic "ttl_config" {
    for_each = try(each.value.ttl, false) ? [1] : []
    content {}
  }
}
