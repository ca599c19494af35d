# Who may do what, as an exact table.

mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google-beta" {
  source = "./tests/mocks"
}

run "no_basic_role" {
  command = plan

  assert {
    condition     = alltrue([for role in flatten(values(output.identities)) : length(regexall("^roles/(owner|editor|viewer)", role)) == 0])
    error_message = "A basic role is granted."
  }
}

run "the_table_without_options" {
  command = plan

  variables {
    front_door        = "hosting"
    github_repository = ""
  }

  assert {
    condition     = jsonencode(output.identities) == jsonencode(jsondecode(file("../tests/terraform/identities.json")).always)
    error_message = "tests/terraform/identities.json has other accounts, or other grants for ${join(", ", [for name, grants in output.identities : name if jsonencode(grants) != jsonencode(try(jsondecode(file("../tests/terraform/identities.json")).always[name], null))])}."
  }
}

run "the_table_with_every_option" {
  command = plan

  variables {
    front_door        = "api_gateway"
    github_repository = "example/duologue"
  }

  assert {
    condition     = jsonencode(output.identities) == jsonencode(merge(values(jsondecode(file("../tests/terraform/identities.json")))...))
    error_message = "tests/terraform/identities.json has other accounts, or other grants for ${join(", ", [for name, grants in output.identities : name if jsonencode(grants) != jsonencode(try(merge(values(jsondecode(file("../tests/terraform/identities.json")))...)[name], null))])}."
  }
}

run "the_runner_has_one_caller" {
  command = plan

  assert {
    condition     = google_cloud_run_v2_service_iam_member.tasks.member == "serviceAccount:tasks-invoker@${var.project_id}.iam.gserviceaccount.com" && google_cloud_run_v2_service_iam_member.tasks.role == "roles/run.invoker"
    error_message = "Somebody else calls the runner."
  }
}

run "folders" {
  command = plan

  assert {
    condition = google_storage_bucket_iam_member.media["api-characters roles/storage.objectCreator"].condition[0].expression == join(" || ", [
      "resource.name.startsWith(\"projects/_/buckets/${var.project_id}.firebasestorage.app/objects/images/\")",
      "resource.name.startsWith(\"projects/_/buckets/${var.project_id}.firebasestorage.app/objects/recordings/\")",
    ])
    error_message = "Uploads go to other folders than recordings/ and images/."
  }
}

run "names_that_google_takes" {
  command = plan

  assert {
    condition     = alltrue([for account in google_service_account.accounts : can(regex("^[a-z]([-a-z0-9]{4,28}[a-z0-9])$", account.account_id))])
    error_message = "A service account's id has 6 to 30 characters."
  }
  assert {
    condition     = alltrue([for role in google_project_iam_custom_role.roles : can(regex("^[a-zA-Z0-9_.]{3,64}$", role.role_id))])
    error_message = "A custom role's id has letters, digits, _ and . only."
  }
}
