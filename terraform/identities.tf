# Who may do what. One table: each service account with everything that it is granted, as near to the resource as Google
# Cloud allows. Firestore knows no grants below the database, so that datastore.user stands for the collections too.
#
# The route table (functions/routes.py) says which account a function runs as and which secrets it is given; a test
# compares. The functions' own invokers are granted by the Firebase CLI.

locals {
  # What opening an account and removing one need of Firebase Auth; the next larger role of Google's also changes how
  # people sign in.
  custom_roles = {
    accountOpener  = { title = "Opens accounts", permissions = ["firebaseauth.users.create", "firebaseauth.users.get"] }
    accountRemover = { title = "Removes accounts", permissions = ["firebaseauth.users.delete", "firebaseauth.users.get"] }
    # Reading needs the listing too: without it a missing object is answered with 403 instead of 404.
    mediaRemover = {
      title       = "Removes media"
      permissions = ["storage.objects.delete", "storage.objects.get", "storage.objects.list"]
    }
  }
  custom_role_ids = { for name, _ in local.custom_roles : name => "projects/${var.project_id}/roles/${name}" }

  account_opener  = local.custom_role_ids["accountOpener"]
  account_remover = local.custom_role_ids["accountRemover"]
  media_remover   = local.custom_role_ids["mediaRemover"]

  # A user's first call opens the account, wherever it goes, and asks Firebase Auth about the user.
  knows_callers = ["roles/datastore.user", "roles/firebaseauth.viewer"]
  caller_keys   = ["ADDRESS_HASH_KEY", "JWT_SECRET"]

  # roles: in the project. media: role of the bucket, with the folders that it is bound to, or none for all. queue: roles
  # of the queue. secrets: what it may read. acts_as: whose OIDC tokens the tasks that it makes carry. signs: as itself.
  nothing = { roles = [], media = {}, queue = [], secrets = [], acts_as = [], signs = false }

  granted = merge({
    api-accounts = {
      roles   = ["roles/datastore.user", local.account_opener]
      secrets = concat(local.caller_keys, ["WEB_API_KEY"])
      signs   = true # custom tokens
    }
    api-activities  = { roles = local.knows_callers, secrets = local.caller_keys }
    api-backgrounds = { roles = local.knows_callers, secrets = local.caller_keys }
    api-characters = {
      roles   = local.knows_callers
      secrets = local.caller_keys
      media   = { "roles/storage.objectCreator" = ["images/", "recordings/"] }
    }
    api-feedback = { roles = local.knows_callers, secrets = local.caller_keys }
    # Reads the runner's last report, asks for an object that is not there, and whether the queue runs.
    api-health = {
      roles = ["roles/datastore.viewer"]
      media = { "roles/storage.objectViewer" = [] }
      queue = ["roles/cloudtasks.viewer"]
    }
    api-media = {
      roles   = local.knows_callers
      secrets = local.caller_keys
      media   = { "roles/storage.objectViewer" = [] }
      signs   = true # the addresses that it redirects to
    }
    api-not-found = {}
    api-scripts   = { roles = local.knows_callers, secrets = concat(local.caller_keys, ["OPENAI_API_KEY"]) }
    api-videos = {
      roles   = local.knows_callers
      secrets = local.caller_keys
      queue   = ["roles/cloudtasks.enqueuer"]
      acts_as = ["tasks-invoker"]
    }
    # Every trigger and scheduled function. Eventarc calls their services with this account; the services come with the
    # deployment, so that the right to call cannot be granted on them here. The runner refuses it all the same: it takes
    # the tokens of tasks-invoker alone.
    triggers = {
      roles   = ["roles/datastore.user", "roles/eventarc.eventReceiver", "roles/run.invoker", local.account_remover]
      media   = { (local.media_remover) = [] }
      queue   = ["roles/cloudtasks.enqueuer", "roles/cloudtasks.viewer"]
      acts_as = ["tasks-invoker"]
    }
    # May replace what it made itself: a second delivery writes the same object again, and Cloud Storage may ask for the
    # right to replace it before it looks at the condition that there be none. What users uploaded it can only read.
    gpu-runner = {
      roles = ["roles/datastore.user"]
      media = {
        "roles/storage.objectUser"   = ["images/backgrounds/", "library/", "lines/", "videos/"]
        "roles/storage.objectViewer" = []
      }
    }
    # Calls the runner, and nothing else (runner.tf).
    tasks-invoker = {}
    },
    var.front_door == "api_gateway" ? { gateway = {} } : {},
    var.github_repository != "" ? { deployer = { roles = local.deployer_roles } } : {},
  )

  identities = { for name, granted in local.granted : name => merge(local.nothing, granted) }
  # By name and not from the resource, so that a plan shows who is granted what before the accounts exist.
  emails = { for name, _ in local.identities : name => "${name}@${var.project_id}.iam.gserviceaccount.com" }

  project_grants = merge([
    for name, identity in local.identities : { for role in identity.roles : "${name} ${role}" => { name = name, role = role } }
  ]...)
  media_grants = merge([
    for name, identity in local.identities : {
      for role, folders in identity.media : "${name} ${role}" => { name = name, role = role, folders = folders }
    }
  ]...)
  queue_grants = merge([
    for name, identity in local.identities : { for role in identity.queue : "${name} ${role}" => { name = name, role = role } }
  ]...)
  impersonations = merge(
    merge([
      for name, identity in local.identities : {
        for other in identity.acts_as : "${name} acts as ${other}" => { name = name, account = other, role = "roles/iam.serviceAccountUser" }
      }
    ]...),
    {
      for name, identity in local.identities : "${name} signs" => { name = name, account = name, role = "roles/iam.serviceAccountTokenCreator" }
      if identity.signs
    },
  )
}

resource "google_service_account" "accounts" {
  for_each = local.identities

  account_id   = each.key
  display_name = each.key
  depends_on   = [google_project_service.apis]
}

resource "google_project_iam_custom_role" "roles" {
  for_each = local.custom_roles

  role_id     = each.key
  title       = each.value.title
  permissions = each.value.permissions
  depends_on  = [google_project_service.apis]
}

resource "google_project_iam_member" "grants" {
  for_each = local.project_grants

  project    = var.project_id
  role       = each.value.role
  member     = "serviceAccount:${local.emails[each.value.name]}"
  depends_on = [google_service_account.accounts, google_project_iam_custom_role.roles]
}

resource "google_storage_bucket_iam_member" "media" {
  for_each = local.media_grants

  bucket = google_storage_bucket.media.name
  role   = each.value.role
  member = "serviceAccount:${local.emails[each.value.name]}"

  dynamic "condition" {
    for_each = length(each.value.folders) > 0 ? [each.value.folders] : []
    content {
      title = join(", ", condition.value)
      expression = join(" || ", [
        for folder in condition.value : "resource.name.startsWith(\"projects/_/buckets/${local.media_bucket}/objects/${folder}\")"
      ])
    }
  }

  depends_on = [google_service_account.accounts, google_project_iam_custom_role.roles]
}

resource "google_cloud_tasks_queue_iam_member" "render" {
  for_each = local.queue_grants

  name       = google_cloud_tasks_queue.render.name
  location   = var.region
  role       = each.value.role
  member     = "serviceAccount:${local.emails[each.value.name]}"
  depends_on = [google_service_account.accounts]
}

resource "google_service_account_iam_member" "impersonations" {
  for_each = local.impersonations

  service_account_id = "projects/${var.project_id}/serviceAccounts/${local.emails[each.value.account]}"
  role               = each.value.role
  member             = "serviceAccount:${local.emails[each.value.name]}"
  depends_on         = [google_service_account.accounts]
}

# Google's own accounts. The first deployment of functions grants the last four by itself where they are missing, for
# which whoever deploys would have to be allowed to change every grant of the project.
locals {
  compute_account = "${local.project_number}-compute@developer.gserviceaccount.com"

  agent_grants = {
    # Builds the functions and the runner's image: since 2024 a new project grants its default account nothing.
    "builds functions"   = { member = local.compute_account, role = "roles/cloudbuild.builds.builder" }
    "calls functions"    = { member = local.compute_account, role = "roles/run.invoker" }
    "receives events"    = { member = local.compute_account, role = "roles/eventarc.eventReceiver" }
    "signs push tokens"  = { member = "service-${local.project_number}@gcp-sa-pubsub.iam.gserviceaccount.com", role = "roles/iam.serviceAccountTokenCreator" }
    "tells of new media" = { member = "service-${local.project_number}@gs-project-accounts.iam.gserviceaccount.com", role = "roles/pubsub.publisher" }
  }
}

# Cloud Storage makes its agent when somebody asks for it.
data "google_storage_project_service_account" "agent" {
  depends_on = [google_project_service.apis]
}

resource "google_project_iam_member" "agents" {
  # checkov:skip=CKV_GCP_46: the Firebase CLI can name no other account to build functions, and grants it the rest itself
  # checkov:skip=CKV_GCP_49: cloudbuild.builds.builder, which a new project's account needs to build, and see CKV_GCP_41
  # checkov:skip=CKV_GCP_41: Google's own Pub/Sub account, to which the Firebase CLI grants this in any case
  for_each = local.agent_grants

  project    = var.project_id
  role       = each.value.role
  member     = "serviceAccount:${each.value.member}"
  depends_on = [google_project_service_identity.agents, data.google_storage_project_service_account.agent]
}
