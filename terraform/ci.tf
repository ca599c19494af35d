# A GitHub workflow that deploys without a key: GitHub signs who it is, and Google lets that one branch of that one
# repository act as the deployer. It deploys with the Firebase CLI and puts new images into the runner; it changes no
# grants, so that Terraform is applied by a person.

locals {
  ci_count = var.github_repository != "" ? 1 : 0

  # What the Firebase CLI asks for. That these are enough could not be tried without a project.
  deployer_roles = [
    "roles/artifactregistry.reader",
    "roles/browser", # reads the project's grants, to find that none is missing
    "roles/cloudfunctions.admin",
    "roles/cloudscheduler.admin",
    "roles/datastore.indexAdmin", # asked for by firestore:rules, which change no index
    "roles/firebasehosting.admin",
    "roles/firebaserules.admin",
    "roles/firebasestorage.viewer",
    "roles/run.admin", # sets the functions' invokers
    "roles/serviceusage.serviceUsageAdmin",
  ]
  # Whoever deploys a function or the runner must be allowed to act as what it runs as, and as what builds it.
  deployed_accounts = var.github_repository == "" ? [] : concat(
    [for name, email in local.emails : email if name != "deployer" && name != "gateway" && name != "tasks-invoker"],
    [local.compute_account],
  )
}

resource "google_iam_workload_identity_pool" "github" {
  count = local.ci_count

  workload_identity_pool_id = "github"
  display_name              = "GitHub"
  depends_on                = [google_project_service.apis]
}

resource "google_iam_workload_identity_pool_provider" "github" {
  # checkov:skip=CKV_GCP_125: one repository's one branch is asked for below; the check cannot read it out of variables
  count = local.ci_count

  workload_identity_pool_id          = google_iam_workload_identity_pool.github[0].workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  # GitHub signs for everybody's workflows: without this condition any repository could ask. A pull request, or a job
  # with an environment, has another subject.
  attribute_condition = "assertion.sub == 'repo:${var.github_repository}:ref:refs/heads/${var.github_branch}'"
  attribute_mapping = {
    "google.subject"       = "assertion.sub"
    "attribute.repository" = "assertion.repository"
  }

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account_iam_member" "github" {
  count = local.ci_count

  service_account_id = "projects/${var.project_id}/serviceAccounts/${local.emails["deployer"]}"
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/projects/${local.project_number}/locations/global/workloadIdentityPools/github/attribute.repository/${var.github_repository}"
  depends_on         = [google_service_account.accounts, google_iam_workload_identity_pool.github]
}

resource "google_service_account_iam_member" "deployer" {
  for_each = toset(local.deployed_accounts)

  service_account_id = "projects/${var.project_id}/serviceAccounts/${each.key}"
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${local.emails["deployer"]}"
  depends_on         = [google_service_account.accounts]
}

# Sees that the secrets exist, and who may read them; not what is in them.
resource "google_secret_manager_secret_iam_member" "deployer" {
  # By their names and not by the resources, of which `terraform import` would have to know how many there will be.
  for_each = var.github_repository == "" ? toset([]) : local.secrets

  secret_id  = google_secret_manager_secret.secrets[each.key].secret_id
  role       = "roles/secretmanager.viewer"
  member     = "serviceAccount:${local.emails["deployer"]}"
  depends_on = [google_service_account.accounts]
}

# Looks up where the bucket is whose events the functions wait for.
resource "google_storage_bucket_iam_member" "deployer" {
  count = local.ci_count

  bucket     = google_storage_bucket.media.name
  role       = "roles/storage.bucketViewer"
  member     = "serviceAccount:${local.emails["deployer"]}"
  depends_on = [google_service_account.accounts]
}
