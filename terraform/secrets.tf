# Where secrets are kept, and who may read which. Values are added by hand (docs/deploy.md), so that no state holds one.

locals {
  secrets = toset(["ADDRESS_HASH_KEY", "JWT_SECRET", "OPENAI_API_KEY", "WEB_API_KEY"])
  secret_readers = merge([
    for name, identity in local.identities : {
      for secret in identity.secrets : "${name} ${secret}" => { name = name, secret = secret }
    }
  ]...)
}

resource "google_secret_manager_secret" "secrets" {
  for_each = local.secrets

  secret_id           = each.key
  deletion_protection = true
  # A version that was destroyed by mistake can be had back for a week.
  version_destroy_ttl = "604800s"

  replication {
    auto {}
  }

  depends_on = [google_project_service.apis]
}

# The Firebase CLI asks for the same when it deploys a function, and finds it there.
resource "google_secret_manager_secret_iam_member" "readers" {
  for_each = local.secret_readers

  secret_id  = google_secret_manager_secret.secrets[each.value.secret].secret_id
  role       = "roles/secretmanager.secretAccessor"
  member     = "serviceAccount:${local.emails[each.value.name]}"
  depends_on = [google_service_account.accounts]
}
