# The media bucket: the Firebase project's default one, so that the CLI finds it for storage.rules and for the functions
# that its events call.
#
# Its name is a domain of Google's, in which nobody else can make a bucket, so Firebase makes it and Terraform takes it
# over. Once, before the first whole apply (docs/deploy.md):
#
#   terraform -chdir=terraform apply -target=google_firebase_storage_default_bucket.media
#   terraform -chdir=terraform import google_storage_bucket.media PROJECT.firebasestorage.app

locals {
  media_bucket = "${var.project_id}.firebasestorage.app"
}

resource "google_firebase_storage_default_bucket" "media" {
  provider = google-beta

  location        = var.region
  deletion_policy = "PREVENT"
  depends_on      = [google_firebase_project.project]
}

resource "google_storage_bucket" "media" {
  # checkov:skip=CKV_GCP_62: the addresses that media is loaded with hold signatures, which no log is to keep
  # checkov:skip=CKV_GCP_78: objects are never overwritten, and removed ones are kept by the soft deletion below
  name                        = local.media_bucket
  location                    = upper(var.region)
  storage_class               = "STANDARD"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false
  deletion_policy             = "PREVENT"

  # No folder is temporary: an object stays while a document names it, and functions remove it when none does. What is
  # left over without anybody's doing is the parts of uploads that were never finished.
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 1
    }
  }

  # Removed media can be brought back for as long as the database can be set back: seven days, also the shortest time
  # that Cloud Storage takes. Objects are never overwritten, so that versions would keep nothing more.
  soft_delete_policy {
    retention_duration_seconds = 604800
  }

  # Players fetch media with the addresses that the API redirects to.
  cors {
    origin          = local.web_origins
    method          = ["GET", "HEAD"]
    response_header = ["Accept-Ranges", "Content-Length", "Content-Range", "Content-Type", "ETag"]
    max_age_seconds = 3600
  }

  depends_on = [google_firebase_storage_default_bucket.media]
}
