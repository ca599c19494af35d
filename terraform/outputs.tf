output "base_url" {
  description = "What clients call, without /api."
  value       = local.front_door_url
}

output "functions_environment" {
  description = "The lines of functions/.env.PROJECT; from the repository's root: terraform -chdir=terraform output -raw functions_environment > functions/.env.PROJECT"
  value = join("", [for name, value in {
    CORS_ORIGINS          = join(",", local.web_origins)
    FRONT_DOOR            = var.front_door
    MEDIA_BUCKET          = local.media_bucket
    RENDER_QUEUE          = "projects/${var.project_id}/locations/${var.region}/queues/${local.queue_settings.name}"
    RUNNER_URL            = local.runner_url
    TASKS_SERVICE_ACCOUNT = local.emails["tasks-invoker"]
    TRUSTED_HOPS          = var.trusted_hops
  } : "${name}=${value}\n"])
}

output "github_provider" {
  description = "What a workflow signs in with, beside the deployer's address; null without github_repository."
  value = local.ci_count == 0 ? null : {
    workload_identity_provider = "projects/${local.project_number}/locations/global/workloadIdentityPools/github/providers/github"
    service_account            = local.emails["deployer"]
  }
}

output "identities" {
  description = "Everything that each service account is granted, as it stands in the resources."
  value       = local.identity_table
}

output "next_steps" {
  description = "The commands that follow the first apply, to be run in the repository's root."
  value       = <<-EOT
    terraform -chdir=terraform output -raw functions_environment > functions/.env.${var.project_id}
    openssl rand -base64 48 | tr -d '\n' | gcloud secrets versions add JWT_SECRET --project=${var.project_id} --data-file=-
    openssl rand -base64 48 | tr -d '\n' | gcloud secrets versions add ADDRESS_HASH_KEY --project=${var.project_id} --data-file=-
    npx firebase apps:sdkconfig web ${google_firebase_web_app.web.app_id} --project=${var.project_id}   # shows the apiKey
    (read -rs V && printf %s "$V" | gcloud secrets versions add WEB_API_KEY --project=${var.project_id} --data-file=-)      # paste it, Enter
    (read -rs V && printf %s "$V" | gcloud secrets versions add OPENAI_API_KEY --project=${var.project_id} --data-file=-)   # the same
    gcloud beta builds submit . --project=${var.project_id} --region=${var.region} --config=gpu_runner/cloudbuild.yaml --ignore-file=gpu_runner/.gcloudignore --substitutions=_COMMIT=$(git rev-parse --short HEAD),_REGION=${var.region},_VARIANT=${var.gpu_enabled ? "gpu" : "cpu"},_CHECKPOINT=f5tts_v1   # or openf5: docs/licences.md
    gcloud run services update ${local.runner_name} --project=${var.project_id} --region=${var.region} --image=THE_IMAGE_THAT_THE_BUILD_PRINTED
    npx firebase deploy --project=${var.project_id} --only functions,hosting,firestore:rules,storage
  EOT
}

output "runner_url" {
  description = "The runner's address, and the audience of the tasks' tokens."
  value       = local.runner_url
}

locals {
  # Read back from the resources, not from the table that they are made of, so that a test of it finds a grant that
  # somebody adds beside the table.
  all_grants = concat(
    [for grant in google_project_iam_member.grants : { member = grant.member, role = grant.role, on = "" }],
    [for grant in google_project_iam_member.agents : { member = grant.member, role = grant.role, on = "" }],
    [
      for grant in concat(values(google_storage_bucket_iam_member.media), google_storage_bucket_iam_member.deployer) : {
        member = grant.member, role = grant.role, on = " on media${join("", [for condition in grant.condition : " in ${condition.title}"])}"
      }
    ],
    [for grant in google_cloud_tasks_queue_iam_member.render : { member = grant.member, role = grant.role, on = " on ${grant.name}" }],
    [
      for grant in concat(values(google_secret_manager_secret_iam_member.readers), values(google_secret_manager_secret_iam_member.deployer)) : {
        member = grant.member, role = grant.role, on = " on ${grant.secret_id}"
      }
    ],
    [
      for grant in concat(
        values(google_service_account_iam_member.impersonations),
        values(google_service_account_iam_member.deployer),
        google_service_account_iam_member.github,
      ) : { member = grant.member, role = grant.role, on = " on ${split("@", basename(grant.service_account_id))[0]}" }
    ],
    [{
      member = google_cloud_run_v2_service_iam_member.tasks.member
      role   = google_cloud_run_v2_service_iam_member.tasks.role
      on     = " on ${google_cloud_run_v2_service_iam_member.tasks.name}"
    }],
  )
  grants_by_member = {
    for grant in local.all_grants :
    replace(trimprefix(grant.member, "serviceAccount:"), "@${var.project_id}.iam.gserviceaccount.com", "") =>
    "${replace(grant.role, "projects/${var.project_id}/roles/", "")}${grant.on}"...
  }
  identity_table = merge(
    { for account in google_service_account.accounts : account.account_id => [] },
    { for member, grants in local.grants_by_member : member => sort(grants) },
  )
}
