# Hosting needs nothing of Terraform; the gateway knows every function, and the functions know which door they stand behind.

mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google-beta" {
  source = "./tests/mocks"
}

run "hosting" {
  command = plan

  variables {
    front_door = "hosting"
  }

  assert {
    condition     = length(google_api_gateway_gateway.gateway) == 0 && length(google_api_gateway_api_config.config) == 0 && length(google_api_gateway_api.api) == 0
    error_message = "There is a gateway that nobody asked for."
  }
  assert {
    condition     = !contains(keys(google_service_account.accounts), "gateway")
    error_message = "There is an account for a gateway that is not there."
  }
  assert {
    condition     = output.base_url == "https://${var.project_id}.web.app"
    error_message = "Clients are told another address than Hosting's."
  }
  assert {
    condition     = strcontains(output.functions_environment, "FRONT_DOOR=hosting\n")
    error_message = "The functions think that they stand behind another door."
  }
}

run "api_gateway" {
  command = plan

  variables {
    front_door = "api_gateway"
  }

  assert {
    condition     = length(google_api_gateway_gateway.gateway) == 1 && google_api_gateway_gateway.gateway[0].region == var.region
    error_message = "There is no gateway."
  }
  assert {
    condition     = strcontains(output.functions_environment, "FRONT_DOOR=api_gateway\n")
    error_message = "The functions would be public, or not believe the gateway."
  }
  assert {
    condition     = google_api_gateway_api_config.config[0].gateway_config[0].backend_config[0].google_service_account == "gateway@${var.project_id}.iam.gserviceaccount.com"
    error_message = "The gateway calls the functions as somebody whom they do not know."
  }
  assert {
    condition = alltrue(flatten([
      for path, operations in jsondecode(base64decode(google_api_gateway_api_config.config[0].openapi_documents[0].document[0].contents)).paths : [
        for method, operation in operations :
        startswith(operation["x-google-backend"].address, "https://${var.region}-${var.project_id}.cloudfunctions.net/") if method != "parameters"
      ]
    ]))
    error_message = "An operation leads elsewhere than to a function of this project."
  }
  assert {
    condition     = length(regexall("[$]{", base64decode(google_api_gateway_api_config.config[0].openapi_documents[0].document[0].contents))) == 0
    error_message = "A placeholder was not filled in."
  }
}
